"""Where the network looked: the sentence says where the glow is, and the shipped export agrees with its learner."""
import io
import warnings

import numpy as np
import pytest
from conftest import EXAMPLES, ROOT, example
from PIL import Image
from tiny import picture, write_settings

from clothing_classifier.page.inference import InferenceServer
from clothing_classifier.predict import Classifier, preprocess
from clothing_classifier.serving.heat_map import explain, has_map, heat, heat_shares, overlay, places
from clothing_classifier.settings import load_settings
from clothing_classifier.texts import Texts


def glowing(*cells, shape=(6, 6)):
    "A heat map that glows in some cells of a grid of 3 x 3"
    glow = np.zeros(shape)
    height, width = shape[0]//3, shape[1]//3
    for row, column in cells: glow[row*height:(row+1)*height, column*width:(column+1)*width] = 1
    return glow


@pytest.mark.parametrize('glow, keys', [
    (np.zeros((5, 5)), []),
    (glowing((1, 1)), ['glow_centre']),
    (glowing((0, 2)), ['glow_top_right']),
    (glowing((0, 0), (2, 2)), ['glow_top_left', 'glow_bottom_right']),
    (glowing((0, 0), (0, 1), (0, 2)), ['glow_top']),
    (glowing((0, 1), (1, 1), (2, 1)), ['glow_column']),
    (glowing((0, 0), (0, 1)), ['glow_top']), # the line names its corner too
    (glowing((0, 0), (0, 2), (2, 0)), ['glow_corners']), # where the mean is in the middle
    (np.ones((6, 6)) - glowing((1, 1)), ['glow_edges']),
    (np.ones((6, 6)) + 9*glowing((0, 1), (1, 1)), ['glow_top', 'glow_centre']),
    (np.ones((5, 5)), ['glow_spread']),
    (np.eye(5)*.1 + np.outer([0, 0, 0, 0, 1], [1, 0, 0, 0, 0]), ['glow_bottom_left'])])
def test_the_places_are_where_the_glow_is(glow, keys):
    assert places(glow) == keys
    assert all(Texts(language)(key) for language in ('en', 'lt') for key in keys)


NAMED = dict(centre=(1, 1), row=(1, slice(None)), column=(slice(None), 1), edges=(slice(None), slice(None)),
    top=(0, slice(None)), bottom=(2, slice(None)), left=(slice(None), 0), right=(slice(None), 2),
    top_left=(0, 0), top_right=(0, 2), bottom_left=(2, 0), bottom_right=(2, 2))


def heat_of(glow, keys):
    "The share of the heat that lies where the texts say, in thirds of the picture"
    large = glow.repeat(60, 0).repeat(60, 1)
    thirds = np.array([[cell.sum() for cell in np.split(row, 3, 1)] for row in np.split(large, 3)])
    named = np.zeros((3, 3), bool)
    for key in keys:
        if key == 'glow_corners': named[::2, ::2] = True
        else: named[NAMED[key.removeprefix('glow_')]] = True
    if keys == ['glow_edges']: named[1, 1] = False
    return thirds[named].sum()/thirds.sum()


def test_the_places_named_hold_most_of_the_heat_of_any_map():
    "500 maps of a few blots each; a map without such places is said to be spread, and none of its lines holds most"
    rng, spread = np.random.default_rng(0), 0
    for _ in range(500):
        glow = rng.random((5, 5))**rng.integers(1, 20)
        keys = places(glow)
        if keys == ['glow_spread']:
            spread += 1
            assert all(heat_of(glow, [f'glow_{line}']) <= .5 for line in ('top', 'row', 'left', 'column'))
        else: assert heat_of(glow, keys) > .5, (glow, keys)
    assert 20 < spread < 400


class Bright:
    "A network whose map is the brightness of 8 x 8 places of its input"
    def get_outputs(self): return [type('Output', (), dict(name='map'))]
    def get_inputs(self): return [type('Input', (), dict(name='image'))]
    def run(self, _, given): return [given['image'].mean(1).reshape(1, 1, 8, 8, 8, 8).mean((3, 5))]


def bright(resize):
    "A classifier with such a network"
    prep = dict(size=64, mean=[0]*3, std=[1]*3, resize=resize)
    net = type('Net', (), dict(session=Bright()))
    return type('Fake', (), dict(net=net, labels=['hat'], prep=prep))


@pytest.mark.parametrize('resize', ['pad', 'squish'])
@pytest.mark.parametrize('size', [(200, 100), (100, 200), (100, 100), (301, 77), (3, 400), (400, 3)])
def test_the_map_covers_the_picture_and_not_its_padding(size, resize):
    "A bright bottom right corner glows there in a picture of any shape"
    im = Image.new('RGB', size)
    im.paste('white', (size[0]*3//4, size[1]*3//4, *size))
    glow = heat(bright(resize), im, 'hat')
    assert 0 <= glow.min() and glow.max() == pytest.approx(1)
    if min(size) > 50:
        assert places(glow) == ['glow_bottom_right']
        assert heat_shares(glow)[8] > .6
        if resize == 'pad': assert glow.shape[1]/glow.shape[0] == pytest.approx(size[0]/size[1], rel=.05)
    assert overlay(im, glow).size[0]*size[1] == pytest.approx(overlay(im, glow).size[1]*size[0], rel=.5)


@pytest.fixture(scope='module')
def clf():
    if not (ROOT/'export.onnx').is_file(): pytest.skip('needs export.onnx')
    clf = Classifier(ROOT/'export.onnx', 1, 25)
    if not has_map(clf): pytest.skip('the export in this tree has no map; export it again')
    return clf


def test_the_map_is_that_of_the_learner(clf):
    "As torch computes it from the pickle, in fp32, for three photos; the file has 8 bits"
    torch = pytest.importorskip('torch')
    from clothing_classifier.training.learner_file import read_learner
    from clothing_classifier.training.network_outputs import HiResCAM
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        model = read_learner(ROOT/'export.pkl').model.eval()
    for category in ('t-shirt', 'jeans', 'shirt'):
        x = preprocess(clf.open(example(category)), **clf.prep)[None]
        with torch.no_grad(): want = HiResCAM(model[1])(model[0](torch.from_numpy(x))).numpy()
        got, = clf.net.session.run(['map'], {'image': x})
        assert got.shape == want.shape and np.corrcoef(got.ravel(), want.ravel())[0, 1] > .8


def test_the_places_named_hold_most_of_the_heat_of_the_examples(clf):
    "All example photos; most of them have such places"
    said = {}
    for path in sorted(EXAMPLES.glob('*/*.jpg')):
        image = clf.open(path.read_bytes())
        glow = heat(clf, image, clf.predict(image).category)
        keys = said[path] = places(glow)
        assert keys == ['glow_spread'] or heat_of(glow, keys) > .5, path
    assert len(said) > 100 and sum(keys == ['glow_spread'] for keys in said.values()) < len(said)/2


def test_the_heat_moves_with_the_thing(clf):
    "A shoe in a corner of a white sheet"
    shoe = clf.open(example('shoes')).resize((224, 224))
    for at, cells in (((0, 0), [0, 1, 3, 4]), ((216, 216), [4, 5, 7, 8])):
        sheet = Image.new('RGB', (440, 440), 'white')
        sheet.paste(shoe, at)
        glow = heat(clf, sheet, 'shoes')
        assert glow.max() == pytest.approx(1) and heat_shares(glow)[cells].sum() > .5


def test_the_picture_that_was_answered_is_explained(clf):
    "The same network input as for the answer, not that of a smaller copy"
    data = example('shirt')
    server = InferenceServer(load_settings(ROOT/'settings.ini'))
    answer, _ = server.ask('predict', data)
    explained, (jpeg,) = server.ask('explain', data, category=answer['category'])
    assert (explained['places'], jpeg) == explain(clf, clf.open(data), answer['category'])
    assert max(Image.open(io.BytesIO(jpeg)).size) <= 960


def test_an_older_export_answers_without_it(tmp_path):
    "No button, and an error if it is asked for all the same; the answer is the same as ever"
    pytest.importorskip('onnx')
    server = InferenceServer(load_settings(write_settings(tmp_path)))
    assert server.ask('describe')[0]['heat_maps'] is False
    assert server.ask('explain', picture(), category='jeans')[0]['error'] == 'no_why'
    assert server.ask('predict', picture())[0]['category'] in ('jeans', 'socks')


def test_another_picture_behind_the_link_is_not_explained(tmp_path):
    "The link led to one picture when it was answered, and leads to another one when it is explained or kept"
    pytest.importorskip('onnx')
    server = InferenceServer(load_settings(write_settings(tmp_path, feedback_store='folder')))
    pictures = iter([picture('blue'), picture('blue'), picture('red')])
    server.links = type('Links', (), dict(fetch=lambda self, url: next(pictures)))()
    url = 'https://example.org/a.jpg'
    sha1 = server.ask('predict', url=url)[0]['sha1']
    assert 'kept' in server.ask('keep', url=url, sha1=sha1, category='jeans')[0]
    assert server.ask('keep', url=url, sha1=sha1, category='jeans')[0]['error'] == 'link_changed'
