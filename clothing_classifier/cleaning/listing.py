"""What the cleaning page lists: the rows that its choices let through, their cards, and counts in words"""
import base64
from collections import Counter
from pathlib import Path

import pandas as pd

from ..images import ImageError, open_image, thumbnail

COLUMNS = ['path','category','split','sha1','suggestion','score','sure','kind','reason']
KINDS = dict(category='wrong category', duplicate='near duplicate', scope='out of scope', quality='poor quality',
    doubt='only a doubt')


def amount(count, noun): return f"{count} {noun}{'' if count == 1 else 's'}"


def choices(
    categories # names
)->dict: # name of a choice -> its text and its options, (value, text) each
    "What can be chosen above the cards"
    def same(names): return [(name, name) for name in names]
    return dict(
        category=dict(text='Given category', options=[('', 'all'), *same(categories)]),
        split=dict(text='Split', options=[('', 'all'), *same(['train','valid','test'])]),
        kind=dict(text='Reason', options=[('', 'any'), *KINDS.items()]),
        show=dict(text='Show', options=same(['suspects','unmarked','marked','all'])))


def chosen_rows(
    table:pd.DataFrame, # table of `suspects`
    chosen:dict, # category, split, kind and show, as in `choices`
    marks:dict # SHA-1 -> decision
)->pd.DataFrame: # in the order of the table
    "The rows that the choices let through"
    for column in ('category','split'):
        if chosen[column]: table = table[table[column] == chosen[column]]
    table = table[table.kind.str.contains(chosen['kind'])]
    if chosen['show'] == 'all': return table
    if chosen['show'] == 'suspects': return table[(table.kind != '') & (table.suggestion != table.category)]
    return table[table.sha1.isin(marks) == (chosen['show'] == 'marked')]


def image_url(
    path:Path, # picture on disk
    side:int # longest side in pixels
)->str: # data URL, empty if the picture is unreadable
    "A picture as the source of an HTML image"
    try: data = thumbnail(open_image(path, side=side), side)
    except ImageError: return ''
    return 'data:image/jpeg;base64,' + base64.b64encode(data).decode()


def page_cards(
    rows:pd.DataFrame, # rows of a table from `suspects`
    side:int # longest side of a thumbnail in pixels
)->list: # one dict per card
    "What the browser needs to draw each picture"
    def card(row):
        reject = row.suggestion if row.suggestion.startswith('rejected/') else 'rejected/by-hand'
        return dict(sha1=row.sha1, category=row.category, split=row.split, suggestion=row.suggestion, reject=reject,
            sure=round(100*row.sure), reason=row.reason, src=image_url(row.path, side))
    return [card(row) for row in rows.itertuples()]


def marks_in_words(
    table:pd.DataFrame, # table of `suspects`
    marks:dict # SHA-1 -> decision
)->str:
    "How many pictures are marked, and as what"
    def kind(decision, category):
        if decision == category: return 'kept'
        return 'to reject' if decision.startswith('rejected/') else 'to move'
    given = zip(table.sha1, table.category, strict=True)
    count = Counter(kind(marks[sha1], category) for sha1,category in given if sha1 in marks)
    parts = [f'{count[name]} {name}' for name in ('to move','to reject','kept')]
    return f"{sum(count.values())} marked: {', '.join(parts)}"


def plan_in_words(
    moves:list # result of `plan`
)->list: # one sentence for each pair of folders
    "What an apply would do"
    count = Counter((str(Path(src).parent), str(Path(dst).parent)) for _,src,dst in moves)
    return [f"{amount(n, 'picture')} from {src} to {dst}" for (src,dst),n in sorted(count.items())]


def located(
    table:pd.DataFrame, # table of `suspects`
    root:Path, # data folder
    paths:dict # result of `picture_paths`
)->pd.DataFrame: # rows of the pictures that are kept, with path and category as they are now
    "A ranking after files were moved"
    kept = table[[paths.get(sha1, '').startswith('images/') for sha1 in table.sha1]]
    now = [Path(paths[sha1]) for sha1 in kept.sha1]
    return kept.assign(path=[root/path for path in now], category=[path.parent.name for path in now])
