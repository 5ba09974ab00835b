"""Charts of pictures, trainings and answers, one a function; each returns its axes"""
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from PIL import Image, ImageDraw, ImageOps

from ..images import open_image
from .runs import Run

BLUE, ORANGE, GREY = '#3b6fb6', '#f2a33a', '#7a7a7a'


def _bars(table, xlabel, **kw):
    "Stacked horizontal bars, one a row of the table"
    ax = table.plot.barh(stacked=True, figsize=(7, .4*len(table)+1), **kw)
    ax.set(xlabel=xlabel, ylabel='')
    ax.legend(title='', fontsize='small')
    return ax


def _axes(ax, figsize): return ax or plt.subplots(figsize=figsize)[1]


def plot_summary(
    summary:pd.DataFrame # table from `collect`
):
    "What became of the pictures of each category"
    table = summary.drop(index='all').drop(columns=['found','fetched'])
    table = table.loc[:, table.any()]
    colors = [BLUE, *plt.cm.Set2.colors, *plt.cm.Set3.colors]
    return _bars(table, 'pictures', color=colors[:table.shape[1]])


def plot_sources(
    df:pd.DataFrame, # table from `pictures`
    top:int=8 # sources with a colour of their own; the others share one
):
    "Pictures per category and source"
    often = df.source.value_counts().index[:top]
    source = df.source.where(df.source.isin(often), 'others')
    return _bars(pd.crosstab(df.category, source), 'pictures')


def plot_counts(
    df:pd.DataFrame # table from `pictures`
):
    "Pictures per category and split"
    table = pd.crosstab(df.category, df.split)
    splits = [s for s in ('train','valid','test') if s in table]
    return _bars(table[splits], 'pictures', color=[BLUE, ORANGE, GREY][:len(splits)])


def plot_sizes(
    df:pd.DataFrame, # table from `pictures`
    size:int=160 # side of the network's input in pixels, shown as dotted lines
)->np.ndarray: # two axes
    "Widths and heights, and their ratio"
    _, (scatter, ratios) = plt.subplots(1, 2, figsize=(9, 3.2))
    for category,rows in df.groupby('category'):
        scatter.scatter(rows.width, rows.height, s=6, alpha=.6, label=category)
    scatter.set(xlabel='width, pixels', ylabel='height, pixels')
    scatter.axvline(size, ls=':', c='grey')
    scatter.axhline(size, ls=':', c='grey')
    scatter.legend(fontsize='x-small')
    ratios.hist(df.width/df.height, bins=np.geomspace(.25, 4, 41))
    ticks = {.25: '1/4', .5: '1/2', 1: '1', 2: '2', 4: '4'}
    ratios.set(xscale='log', xlabel='width / height', ylabel='pictures')
    ratios.set_xticks(list(ticks), list(ticks.values()))
    return np.array([scatter, ratios])


def plot_labels(
    file:str|Path # CSV with the column `label`, and perhaps `kids` (True or False)
):
    "Share of each label, children's and adults' clothes apart"
    df = pd.read_csv(file, dtype=str, keep_default_na=False)
    wearer = df.kids if 'kids' in df else pd.Series('', df.index)
    wearer = wearer.str.lower().map({'true': 'kids', 'false': 'adults'}).fillna('not said')
    table = pd.crosstab(df.label, wearer, normalize='all').mul(100)
    return _bars(table.loc[table.sum(axis=1).sort_values().index], f'% of {len(df)} pictures')


def plot_audit(
    df:pd.DataFrame, # table from `pictures`
    issues:pd.DataFrame # table from `audit`
):
    "Share of each category's pictures with an issue"
    table = issues.groupby(df.category).mean().mul(100)
    ax = _axes(None, (1.1*len(table.columns)+1, .4*len(table)+1))
    ax.imshow(table, cmap='Oranges', aspect='auto', vmin=0)
    for i,j in np.ndindex(table.shape): ax.text(j, i, f'{table.iat[i,j]:.0f} %', ha='center', va='center')
    names = [o.replace('_', '\n') for o in table.columns]
    ax.set(xticks=range(len(names)), xticklabels=names, yticks=range(len(table)), yticklabels=table.index)
    return ax


def contact_sheet(
    df:pd.DataFrame, # table from `pictures`, or some rows of it
    n:int=24, # pictures, at most; a random choice, the same every time
    cols:int=8, # pictures in a row
    side:int=96 # side of one picture in pixels
)->Image.Image: # mode RGB
    "Small pictures in rows, each with its category"
    if len(df) > n: df = df.sample(n, random_state=0).sort_values('category')
    rows, height = -(-len(df)//cols), side+14
    sheet = Image.new('RGB', (cols*side, rows*height), 'white')
    draw = ImageDraw.Draw(sheet)
    for i,(path, category) in enumerate(zip(df.path, df.category, strict=True)):
        x, y = i%cols*side, i//cols*height
        small = ImageOps.pad(open_image(path, side=side), (side-4, side-4), color='white')
        sheet.paste(small, (x+2, y+2))
        draw.text((x+3, y+side-1), category, fill='black')
    return sheet


def plot_finder(
    learn, # learner whose finder has just run
    ax=None # matplotlib axes
):
    "Loss against learning rate, as the finder saw it"
    ax, rates = _axes(ax, (6, 3)), learn.recorder.lrs
    ax.plot(rates, [float(o) for o in learn.recorder.losses[:len(rates)]], color=BLUE)
    ax.set(xscale='log', xlabel='learning rate', ylabel='loss')
    return ax


def plot_history(
    run:str|Path|Run, # a run, or its folder
    ax=None # matplotlib axes
):
    "Losses and accuracy over the epochs"
    run = run if isinstance(run, Run) else Run(run)
    df, ax = run.history, _axes(ax, (6, 3))
    df[['train_loss','valid_loss']].plot(ax=ax, color=[GREY, BLUE])
    df.accuracy.plot(ax=ax, color=ORANGE, secondary_y=True, label='accuracy')
    ax.set(xlabel='epoch, frozen and unfrozen', ylabel='loss')
    return ax


def plot_reliability(
    tables:dict, # name -> table from `reliability`
    axs=None # matplotlib axes, one a table
):
    "Accuracy against confidence, one diagram a table"
    if axs is None:
        axs = plt.subplots(1, len(tables), figsize=(3.4*len(tables), 3.2), sharey=True, squeeze=False)[1][0]
    for ax,(name, table) in zip(axs, tables.items(), strict=True):
        ax.plot([0, 1], [0, 1], color=GREY, lw=1)
        shade = .25+.75*table.pictures/table.pictures.max()
        for row,alpha in zip(table.itertuples(), shade, strict=True):
            ax.bar(row.confidence, row.accuracy, .08, color=BLUE, alpha=alpha)
        ax.set(title=name, xlabel='confidence', xlim=(0, 1), ylim=(0, 1))
    axs[0].set_ylabel('accuracy')
    return axs


def plot_confusion(
    labels:list, # categories
    counts, # (n, n): row = right, column = answered
    ax=None # matplotlib axes
):
    "The confusion matrix, counts in the cells, shaded by row"
    counts, ax = np.asarray(counts), _axes(ax, (5.2, 4.6))
    totals = np.maximum(counts.sum(1, keepdims=True), 1)
    ax.imshow(counts/totals, cmap='Blues', vmin=0, vmax=1)
    for (i, j),n in np.ndenumerate(counts):
        ax.text(j, i, n or '', ha='center', va='center', color='white' if n > totals[i, 0]/2 else 'black')
    ax.set(yticks=range(len(labels)), yticklabels=labels, xlabel='answered', ylabel='right')
    ax.set_xticks(range(len(labels)), labels, rotation=45, ha='right')
    return ax


def show_confused(
    table:pd.DataFrame, # table from `confused`
    pairs:int=3, # rows of the table
    n:int=6 # pictures in a row
):
    "The pictures of the most confused pairs, a row a pair"
    axs = plt.subplots(pairs, n, figsize=(1.6*n, 1.8*pairs), squeeze=False)[1]
    for ax in axs.flat: ax.axis('off')
    for row,pair in zip(axs, table.itertuples(), strict=False):
        row[0].set_title(f'{pair.category}, answered {pair.answer}', loc='left', fontsize=9)
        for ax,path in zip(row, pair.paths, strict=False): ax.imshow(open_image(path, side=200))
    return axs


def plot_learning_curve(
    table:pd.DataFrame, # table from `learning_curve`
    ax=None # matplotlib axes
):
    "Accuracy against pictures per category, with the spread of the draws"
    ax = _axes(ax, (6, 3))
    ax.plot(table.pictures, table['mean'], 'o-', color=BLUE)
    ax.fill_between(table.pictures, table.low, table.high, color=BLUE, alpha=.2)
    ax.set(xscale='log', xlabel='training pictures a category', ylabel='validation accuracy')
    ax.set_xticks(table.pictures, table.pictures)
    return ax


def plot_shares(
    figures:dict, # name -> accuracy and interval, first at the top
    ax=None # matplotlib axes
):
    "A bar of accuracy with its interval for each name"
    ax = _axes(ax, (7, .4*len(figures)+1))
    table = pd.DataFrame([{'accuracy': o['accuracy'], 'low': o['interval'][0], 'high': o['interval'][1]}
        for o in figures.values()])
    errors = [table.accuracy-table.low, table.high-table.accuracy]
    ax.barh(list(figures), table.accuracy, xerr=np.maximum(errors, 0), color=BLUE, ecolor=GREY, capsize=3)
    ax.set(xlim=(0, 1), xlabel='accuracy, 95 % interval')
    ax.invert_yaxis()
    return ax
