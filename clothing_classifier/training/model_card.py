"""The model card: what to know before trusting a model, from the figures of its run"""
from pathlib import Path

import pandas as pd

from ..files import write_atomically
from ..settings import Settings, Train
from .runs import Run


def percent(share:float)->str: return f'{100*share:.1f} %'


def markdown_table(df:pd.DataFrame)->str:
    "A table in Markdown; an empty text for an empty table"
    if df.empty: return ''
    rows = [list(df.columns), ['---']*len(df.columns), *df.astype(object).values.tolist()]
    return '\n'.join('| ' + ' | '.join(map(str, row)) + ' |' for row in rows)


def _accuracy_columns(found):
    low, high = map(percent, found['interval'])
    return {'pictures': found['pictures'], 'accuracy': percent(found['accuracy']), '95 % interval': f'{low} to {high}'}


def _accuracy_row(name, found): return {'': name} | _accuracy_columns(found)


def accuracy_table(metrics:dict)->str:
    "Accuracy of the test split, and of each source of pictures in it"
    rows = [_accuracy_row('test split', metrics['test'])]
    rows += [_accuracy_row(f'of it: {source}', found) for source,found in metrics.get('sources', {}).items()]
    return markdown_table(pd.DataFrame(rows))


def left_out_sentence(metrics:dict)->str:
    "How many pictures of sources left out of training are right, and how that was measured"
    found, how = metrics['elsewhere']['all'], metrics['elsewhere']['how']
    low, high = map(percent, found['interval'])
    learned = 'a linear head on frozen features learned from' if how == 'head' else 'a network was fine-tuned on'
    right = f"**{percent(found['accuracy'])}** of {found['pictures']} pictures are right"
    return (f'{right} (95 % interval {low} to {high}), each source left out once while {learned} the others. '
        'Expect that of pictures from elsewhere: the test split below shares its sources with the training.')


def left_out_table(metrics:dict)->str:
    "Accuracy, calibration and share known of each source left out of training"
    rows = []
    for source,found in metrics['elsewhere']['sources'].items():
        row = {'source left out': source} | _accuracy_columns(found)
        rows.append(row | {'calibration error': f"{found['ece']:.3f}", 'stay known': percent(found['known'])})
    return markdown_table(pd.DataFrame(rows))


def changed_table(figures:dict)->str:
    "Accuracy and share known under each condition"
    rows = []
    for name,found in figures.items():
        row = {'condition': name} | _accuracy_columns(found)
        rows.append(row | {'stay known': percent(found['known'])})
    return markdown_table(pd.DataFrame(rows))


def category_table(metrics:dict)->str:
    "Precision, recall and F1 of each category"
    rows = []
    for category,found in metrics['test']['categories'].items():
        shares = {key: percent(found[key]) for key in ('precision','recall','f1')}
        rows.append({'category': category} | shares | {'pictures': found['pictures']})
    return markdown_table(pd.DataFrame(rows))


def confused_sentence(metrics:dict)->str:
    "What is taken for what, most often first; an empty text if nothing is"
    if not metrics.get('confused'): return ''
    pairs = (f"{pair['category']} answered with {pair['answer']} ({pair['pictures']})" for pair in metrics['confused'])
    return f"Most often confused: {', '.join(pairs)}."


def unknown_table(metrics:dict)->str:
    "How well each kind of something else is told from the categories; an empty text if there were no such pictures"
    rows = []
    for kind,found in metrics.get('unknown', {}).items():
        areas = {f"AUROC, {name.replace('_', ' ')}": f'{value:.3f}' for name,value in found['auroc'].items()}
        row = {'something else': kind, 'pictures': found['pictures']} | areas
        rows.append(row | {'answered with *unknown*': percent(found['unknown'])})
    return markdown_table(pd.DataFrame(rows))


def unseen_table(metrics:dict, at_least:int=30)->str:
    "How often each kind of something else is answered with *unknown* when nothing of this kind was learned from"
    kinds = [o for o in metrics.get('unseen_kinds', []) if o['pictures'] >= at_least]
    rows = [{'kind left out': o['kind'], 'pictures': o['pictures'], 'answered with *unknown*': percent(o['unknown'])}
        for o in kinds]
    return markdown_table(pd.DataFrame(rows))


def unseen_sentence(metrics:dict)->str:
    "The share of all pictures of something else that are answered with *unknown* though their kind was left out"
    kinds = metrics.get('unseen_kinds', [])
    if not kinds: return ''
    pictures = sum(o['pictures'] for o in kinds)
    share = sum(o['pictures']*o['unknown'] for o in kinds)/pictures
    return (f'The next stranger is of a kind that nobody trained on: with whole kinds left out of what *unknown* is '
        f'learned from, {percent(share)} of their {pictures} pictures are answered with *unknown*.')


def network_table(metrics:dict)->str:
    "Accuracy, size and time of each precision"
    export, rows = metrics['export'], []
    for precision,found in export['precisions'].items():
        name = f'{precision}, ships' if precision == export['shipped'] else precision
        rows.append({'network': name, 'accuracy': percent(found['accuracy']), 'megabytes': found['megabytes'],
            'ms a picture, one thread': found['ms']})
    return markdown_table(pd.DataFrame(rows))


def curve_table(metrics:dict)->str:
    "Validation accuracy by training pictures of each category; an empty text if it was not measured"
    curve = metrics.get('learning_curve', [])
    if not curve: return ''
    row = {'training pictures a category': 'validation accuracy'}
    return markdown_table(pd.DataFrame([row | {str(o['pictures']): percent(o['mean']) for o in curve}]))


def recipe(train:Train)->str:
    "How a network was trained, in words"
    frozen = f"{train.frozen_epochs} epoch{'s' if train.frozen_epochs > 1 else ''} with the body frozen"
    epochs = f'{frozen}, {train.unfrozen_epochs} with every layer'
    if train.final_epochs: epochs += f', {train.final_epochs} at {train.final_size} px'
    rates = f'rates {train.frozen_rate:g} and {train.unfrozen_rate:g} (0: by the learning-rate finder)'
    if not train.frozen_rate and not train.unfrozen_rate: rates = 'rates by the learning-rate finder'
    return (f'{train.arch}, weights `{train.weights}`, {train.size} px, {epochs}; {rates}, one cycle, '
        f'label smoothing {train.label_smoothing:g}, mixup {train.mixup:g}, averaging {train.average:g}, '
        f'weight decay {train.weight_decay:g}, seed {train.seed}. The epoch with the best validation accuracy is kept.')


def _elsewhere(metrics):
    if 'elsewhere' not in metrics: return []
    return ['## Sources left out of training', left_out_sentence(metrics), left_out_table(metrics)]


def _conditions(metrics):
    "Pictures of the test split, and of sources left out, as a phone might have taken them"
    tables = {'Test pictures, changed as a phone might have taken them:': metrics.get('conditions'),
        'Pictures of sources left out of training, changed in the same way:':
            metrics.get('elsewhere', {}).get('conditions')}
    measured = {intro: changed_table(figures) for intro,figures in tables.items() if figures}
    return ['## Other conditions', *(part for pair in measured.items() for part in pair)] if measured else []


def _accuracy(metrics):
    after, before = metrics['test']['ece'], metrics['test']['ece_raw']
    error = f'Expected calibration error {after:.3f}, before temperature scaling {before:.3f}.'
    return ['## Accuracy', accuracy_table(metrics), category_table(metrics), confused_sentence(metrics), error]


def _unknown(metrics):
    known = f"{percent(metrics['test']['known'])} of the test pictures stay known; the rest is answered with *unknown*."
    return ['## Unknown', known, unknown_table(metrics), unseen_sentence(metrics), unseen_table(metrics)]


def _recipe(metrics, train):
    pictures, test = metrics['pictures'], metrics['test']['pictures']
    counts = f"Trained on {pictures['train']} pictures, chosen on {pictures['valid']}, measured on {test}."
    parts = ['## Recipe', f'{recipe(train)} {counts}']
    if not metrics.get('learning_curve'): return parts
    intro = 'With fewer pictures, a linear head on the frozen features of the weights it started from:'
    return [*parts, intro, curve_table(metrics)]


def model_card(
    run:Run|str|Path, # a training that was evaluated and exported
    words:str='' # Markdown: data and licences, limits, what it must not be used for
)->str: # Markdown
    "The card of a model"
    run = run if isinstance(run, Run) else Run(run)
    metrics = run.metrics
    head = [f"# Model card: {', '.join(metrics['labels'])}",
        f"From the run `{run.path.name}`; learner `sha256:{metrics['export']['learner_sha256'][:16]}…`."]
    networks = ['## Networks', network_table(metrics)]
    measured = [*_elsewhere(metrics), *_accuracy(metrics), *_conditions(metrics), *_unknown(metrics)]
    parts = [*head, *measured, *networks, *_recipe(metrics, run.settings.train), words]
    return '\n\n'.join(part.strip() for part in parts if part.strip()) + '\n'


def write_card(
    settings:Settings, # the project
    run:Run|str|Path # a training that was evaluated and exported
)->Path: # MODEL_CARD.md, beside the exported learner
    "Write the model card of a run, with the words of `model_card_words.md` where there is one"
    folder = settings.export.learner.parent
    words, path = folder/'model_card_words.md', folder/'MODEL_CARD.md'
    text = words.read_text(encoding='utf-8') if words.exists() else ''
    write_atomically(path, model_card(run, text).encode())
    return path
