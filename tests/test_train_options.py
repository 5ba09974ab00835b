"Each option of `[train]` does what it says, and reports where it says: on drawings, in seconds"
import pytest
from conftest import small_settings
from drawings import draw_folder

from clothing_classifier.collect import import_folder
from clothing_classifier.train import train
from clothing_classifier.training.runs import Run
from clothing_classifier.training.weights import TrainError


@pytest.fixture(scope='module')
def drawn(tmp_path_factory):
    d = tmp_path_factory.mktemp('drawn')
    draw_folder(d/'drawn', ['jeans', 'socks'], n=40)
    import_folder(d/'drawn', small_settings(d))
    return d


@pytest.fixture
def quick(drawn):
    "A training of a few seconds with these options: its learner"
    short = dict(train_unfrozen_epochs=1, train_final_epochs=0)
    return lambda **changes: train(small_settings(drawn, **short | changes))


def test_tensorboard_gets_the_losses(quick):
    "As TensorBoard itself reads them"
    pytest.importorskip('tensorboard', reason='needs tensorboard')
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    stages = sorted(quick(train_track='tensorboard', train_unfrozen_epochs=2).path.glob('tensorboard/*'))
    one, two = [EventAccumulator(str(o)).Reload() for o in stages]
    assert {'train_loss', 'valid_loss', 'accuracy', 'lr_0'} <= set(one.Tags()['scalars'])
    assert [len(o.Scalars('valid_loss')) for o in (one, two)] == [1, 2] # Epochs, frozen and unfrozen


def test_wandb_stays_at_home(quick, monkeypatch):
    "A run on the disk with a history, and no login asked for"
    pytest.importorskip('wandb', reason='needs wandb')
    monkeypatch.delenv('WANDB_API_KEY', raising=False)
    learn = quick(train_track='wandb')
    file, = learn.path.glob('wandb/offline-run-*/*.wandb') # One for all stages
    assert all(o in file.read_bytes() for o in (b'train_loss', b'valid_loss', b'accuracy', b'unfrozen_epochs'))


def test_a_tracker_that_is_not_there_is_named(quick, monkeypatch):
    monkeypatch.setitem(__import__('sys').modules, 'wandb', None)
    with pytest.raises(TrainError, match='pip install wandb'): quick(train_track='wandb')


@pytest.mark.slow
def test_cross_validation_comes_first(quick):
    "An accuracy over all pictures but those of the test split, a folder a fold, and then the training that counts"
    learn = quick(train_folds=3)
    m = Run.of(learn).metrics
    assert m['folds']['pictures'] == m['pictures']['train'] + m['pictures']['valid'] and len(m['folds']['each']) == 3
    assert len(list(learn.path.glob('fold_*/metrics.json'))) == 3 and (learn.path/'history.csv').exists()


def test_one_fold_is_none(quick):
    with pytest.raises(TrainError, match='at least 2'): quick(train_folds=1)


def test_a_head_trained_on_cached_features_is_as_good_on_pictures(drawn):
    "The accuracy that the frozen epochs report is that of the whole network on the pictures"
    from clothing_classifier.dataset import dataloaders, pictures
    from clothing_classifier.train import learner
    settings = small_settings(drawn, train_precision='fp32', train_cache_features=True)
    learn = learner(dataloaders(pictures(settings), settings), settings)
    before = learn.dls
    with learn.no_bar(), learn.no_logging():
        learn.fit_one_cycle(5, 3e-3)
        reported = Run.of(learn).history.accuracy.max()
        whole = learn.validate()[1]
    assert abs(reported-whole) < 1e-6
    assert learn.dls is before


def test_sampling_shows_rare_categories_as_often(tmp_path):
    "Ninety jeans and thirty socks: half of what a training sees are socks"
    from clothing_classifier.dataset import dataloaders, pictures
    for c, n in dict(jeans=90, socks=30).items(): draw_folder(tmp_path/'drawn', [c], n=n)
    s = small_settings(tmp_path, train_balance='sampling')
    import_folder(tmp_path/'drawn', s)
    dls = dataloaders(pictures(s), s)
    y = [int(o) for _ in range(5) for b in dls.train for o in b[1]]
    assert abs(sum(y)/len(y) - .5) < .1


OPTIONS = [
    dict(mixup=.2),
    dict(cutmix=1),
    dict(average=.9),
    dict(balance='weights'),
    dict(balance='sampling'),
    dict(early_stop=1, plateau=1),
    dict(augment=0),
    dict(cache_features=True, frozen_epochs=4, mixup=.2),
    dict(cache_features=True, balance='sampling'),
    dict(frozen_rate=.002, unfrozen_rate=.001, mirror=True),
    dict(precision='fp32', channels_last='no', resize_ahead='no'),
]


@pytest.mark.slow
@pytest.mark.parametrize('options', OPTIONS, ids=lambda o: ' '.join(o))
def test_each_option_trains(quick, options):
    learn = quick(**{f'train_{k}': v for k, v in options.items()})
    assert Run.of(learn).history.valid_loss.notna().all()


def test_validating_changes_nothing(quick):
    "`learn.validate()` after a training with averaged weights finds the network as it is, twice"
    learn = quick(train_average=.9)
    before = {k: v.clone() for k, v in learn.model.state_dict().items()}
    with learn.no_bar(), learn.no_logging(): first, second = learn.validate(), learn.validate()
    assert list(first) == list(second)
    assert all((v == before[k]).all() for k, v in learn.model.state_dict().items())


def test_a_look_between_the_stages_changes_nothing(quick):
    "Predictions announce a fit of their own; the next fit keeps its best epoch all the same"
    learn = quick()
    best = learn.path/learn.model_dir/'best.pth'
    best.unlink()
    learn.keep_best.forget()
    with learn.no_bar(), learn.no_logging():
        learn.get_preds()
        rows = len(Run.of(learn).history)
        learn.fit_one_cycle(1, 1e-4)
    assert best.exists() and len(Run.of(learn).history) == rows+1


def test_features_of_a_body_that_has_changed_are_computed_again(drawn):
    from clothing_classifier.dataset import dataloaders, pictures
    from clothing_classifier.train import learner
    settings = small_settings(drawn, train_cache_features=True)
    learn = learner(dataloaders(pictures(settings), settings), settings)
    with learn.no_bar(), learn.no_logging():
        learn.fit_one_cycle(1, 1e-3)
        first = learn.cached_body.features
        learn.fit_one_cycle(1, 1e-3)
        assert learn.cached_body.features is first
        learn.unfreeze()
        learn.fit_one_cycle(1, 1e-3)
        learn.freeze()
        learn.fit_one_cycle(1, 1e-3)
    assert learn.cached_body.features is not first
