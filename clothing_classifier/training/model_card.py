"""What a stranger must know before he trusts the model: from the figures of its own run, never typed by hand"""

import configparser
import json
from pathlib import Path

import pandas as pd

from ..settings import Settings, load_settings


def percent(x)->str: return f'{100*x:.1f} %'


def table(df:pd.DataFrame)->str:
    "A table in Markdown"
    rows = [list(df.columns), ['---']*len(df.columns), *df.astype(object).values.tolist()]
    return '\n'.join('| ' + ' | '.join(map(str, r)) + ' |' for r in rows)


def _split(name, o): return dict(zip(('pictures','accuracy','95 % interval'), (o['pictures'], percent(o['accuracy']), ' to '.join(map(percent, o['interval']))))) | {'': name}


def accuracy_table(m:dict)->str:
    "Accuracy of the test split, and of each source of pictures in it"
    rows = [_split('test split', m['test']), *(_split(f'of it: {k}', v) for k,v in m.get('sources', {}).items())]
    return table(pd.DataFrame(rows)[['','pictures','accuracy','95 % interval']])


def category_table(m:dict)->str:
    "Precision, recall and F1 of each category"
    return table(pd.DataFrame([{'category': c} | {k: percent(o[k]) for k in ('precision','recall','f1') if k in o} | {'pictures': o['pictures']} for c,o in m['test']['categories'].items()]))


def network_table(m:dict)->str:
    "Accuracy, size and time of each precision"
    e = m['export']
    rows = [dict(network=k + (', ships' if k == e['shipped'] else ''), accuracy=percent(o['accuracy']), megabytes=o['megabytes'], ms=o['ms']) for k,o in e['precisions'].items()]
    return table(pd.DataFrame(rows).rename(columns=dict(ms='ms a picture, one thread')))


def confused_line(m:dict)->str:
    "What is taken for what, most often first"
    return 'Most often confused: ' + ', '.join(f"{o['category']} answered with {o['answer']} ({o['pictures']})" for o in m['confused']) + '.' if m.get('confused') else ''


def unknown_table(m:dict)->str:
    "How well each kind of something else is told from the categories; '' if nothing was held to tell"
    rows = [{'something else': k, 'pictures': o['pictures'], **{f'AUROC, {n}'.replace('_', ' '): f'{v:.3f}' for n,v in o['auroc'].items()}, 'answered with *unknown*': percent(o['unknown'])} for k,o in m.get('unknown', {}).items()]
    return table(pd.DataFrame(rows)) if rows else ''


def curve_table(m:dict)->str:
    "Accuracy against pictures per category"
    o = m.get('learning_curve', [])
    return table(pd.DataFrame([{'training pictures a category': 'validation accuracy'} | {str(r['pictures']): percent(r['mean']) for r in o}])) if o else ''


def run_train(run:Path)->dict:
    "What the settings of a run say of its training, as text; a key that is newer than the run is missing"
    c = configparser.ConfigParser(interpolation=None)
    c.read(run/'settings.ini')
    return dict(c['train'])


def recipe(run:Path)->str:
    "How it was trained, from the settings of the run"
    t = run_train(run)
    epochs = f"{t['frozen_epochs']} epochs with the body frozen, {t['unfrozen_epochs']} with every layer" + (f", {t['final_epochs']} at {t['final_size']} px" if int(t['final_epochs']) else '')
    return f"{t['arch']}, weights `{t['weights']}`, {t['size']} px, {epochs}; rates by the learning-rate finder, one cycle, label smoothing {t['label_smoothing']}, mixup {t['mixup']}, averaging {t.get('average', 0)}, weight decay {t['weight_decay']}, seed {t['seed']}. The epoch with the best validation accuracy is kept."


def model_card(
    run:str|Path, # A folder of `runs` whose training was evaluated and exported
    words:str='' # Markdown: data and licences, limits, what it must not be used for
)->str: # Markdown
    "The card of a model"
    run = Path(run)
    m = json.loads((run/'metrics.json').read_text())
    p = m['pictures']
    known = f"{percent(m['test']['known'])} of the test pictures stay known; the rest is answered with *unknown*."
    head = f"# Model card: {', '.join(m['labels'])}", f"From the run `{run.name}`; learner `sha256:{m['export']['learner_sha256'][:16]}…`."
    accuracy = accuracy_table(m), category_table(m), confused_line(m), f"Expected calibration error {m['test']['ece']:.3f}, before temperature scaling {m['test']['ece_raw']:.3f}."
    how = f"{recipe(run)} Trained on {p['train']} pictures, chosen on {p['valid']}, measured on {m['test']['pictures']}.", curve_table(m) and 'With fewer pictures, a linear head on the frozen features of the weights it started from:', curve_table(m)
    parts = *head, '## Accuracy', *accuracy, '## Unknown', known, unknown_table(m), '## Networks', network_table(m), '## Recipe', *how, words
    return '\n\n'.join(o.strip() for o in parts if o.strip()) + '\n'


def write_card(
    settings:Settings|None=None, # None: the nearest `settings.ini`
    run:str|Path|None=None # None: the newest of `runs`
)->Path: # MODEL_CARD.md, beside `settings.ini`
    "Write the model card of a run, with the words of `card.md`"
    settings = settings or load_settings()
    root, run = settings.file.parent, Path(run) if run else sorted(settings.train.runs.glob('*/metrics.json'))[-1].parent
    words = root/'card.md'
    (root/'MODEL_CARD.md').write_text(model_card(run, words.read_text() if words.exists() else ''))
    return root/'MODEL_CARD.md'
