"""What is in the folder: how many, from where, how large, how good, how alike; one chart a function"""
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from fastai.vision.all import *
from fastai.vision.all import PILImage
from PIL import Image, ImageDraw, ImageOps

from ..images import open_image
from .runs import Run


def plot_summary(
    df:pd.DataFrame # From `collect`, `import_folder` or `Store.summary`
)->plt.Axes:
    "What became of the pictures of each category"
    t = df.drop(index='all').drop(columns=['found','fetched'])
    t = t.loc[:, t.any()]
    ax = t.plot.barh(stacked=True, figsize=(7, .4*len(t)+1), xlabel='pictures', ylabel='', color=['#3b6fb6', *plt.cm.Set2.colors, *plt.cm.Set3.colors][:t.shape[1]])
    ax.legend(title='', fontsize='small')
    return ax


def plot_counts(
    df:pd.DataFrame, # From `pictures`
    top:int=8 # Sources that get a colour; the others share one
)->plt.Axes:
    "Pictures per category and source"
    often = df.source.value_counts().index[:top]
    t = df.assign(source=df.source.where(df.source.isin(often), 'others')).groupby(['category','source']).size().unstack(fill_value=0)
    ax = t.plot.barh(stacked=True, figsize=(7, .4*len(t)+1), xlabel='pictures', ylabel='')
    ax.legend(title='', fontsize='small')
    return ax


def plot_sizes(
    df:pd.DataFrame, # From `pictures`
    size:int=224 # Side of the network's input, for the dotted line
)->np.ndarray: # Two axes
    "Widths and heights, and how long the shapes are"
    _, axs = plt.subplots(1, 2, figsize=(9, 3.2))
    for c,g in df.groupby('category'): axs[0].scatter(g.width, g.height, s=6, alpha=.6, label=c)
    axs[0].set(xlabel='width, pixels', ylabel='height, pixels')
    axs[0].axvline(size, ls=':', c='grey')
    axs[0].axhline(size, ls=':', c='grey')
    axs[0].legend(fontsize='x-small')
    axs[1].hist(df.width/df.height, bins=np.geomspace(.25, 4, 41))
    axs[1].set(xscale='log', xlabel='width / height', ylabel='pictures', xticks=[.25,.5,1,2,4], xticklabels=['1/4','1/2','1','2','4'])
    return axs


def plot_labels(
    file:str|Path # A CSV with the column `label`, and perhaps `kids` (True or False)
)->plt.Axes:
    "Share of each label, children's and adults' clothes apart"
    df = pd.read_csv(file, dtype=str, keep_default_na=False)
    who = df.kids.str.lower().map({'true': 'kids', 'false': 'adults'}).fillna('not said') if 'kids' in df else pd.Series('not said', df.index)
    t = pd.crosstab(df.label, who, normalize='all').mul(100)
    t = t.loc[t.sum(axis=1).sort_values().index]
    ax = t.plot.barh(stacked=True, figsize=(7, .28*len(t)+1), xlabel=f'% of {len(df)} pictures', ylabel='')
    ax.legend(title='')
    return ax


def plot_audit(
    df:pd.DataFrame, # From `pictures`
    issues:pd.DataFrame # From `audit`
)->plt.Axes:
    "Share of each category's pictures with an issue"
    t = issues.groupby(df.category).mean().mul(100)
    _, ax = plt.subplots(figsize=(1.1*len(t.columns)+1, .4*len(t)+1))
    ax.imshow(t, cmap='Oranges', aspect='auto', vmin=0)
    for i,j in np.ndindex(t.shape): ax.text(j, i, f'{t.iat[i,j]:.0f} %', ha='center', va='center')
    ax.set(xticks=range(len(t.columns)), xticklabels=[o.replace('_', '\n') for o in t.columns], yticks=range(len(t)), yticklabels=t.index)
    return ax


def contact_sheet(
    df:pd.DataFrame, # From `pictures`, or some rows of it
    n:int=24, # Pictures, at most; drawn at random, the same ones every time
    cols:int=8, # In a row
    side:int=96 # Of one, pixels
)->Image.Image: # Mode RGB
    "Small pictures in rows, each with its category"
    df = df.sample(min(n, len(df)), random_state=0).sort_values('category') if len(df) > n else df
    rows = -(-len(df)//cols)
    o = Image.new('RGB', (cols*side, rows*(side+14)), 'white')
    for i,(p,c) in enumerate(zip(df.path, df.category)):
        x, y = i%cols*side, i//cols*(side+14)
        o.paste(ImageOps.pad(open_image(p, side=side), (side-4, side-4), color='white'), (x+2, y+2))
        ImageDraw.Draw(o).text((x+3, y+side-1), c, fill='black')
    return o


def plot_finder(learn, rate, ax=None):
    "Loss against rate, as the finder saw it, and the rate taken"
    ax = ax or plt.subplots(figsize=(6, 3))[1]
    ax.plot(learn.recorder.lrs, [float(o) for o in learn.recorder.losses[:len(learn.recorder.lrs)]])
    ax.axvline(rate, color='#f2a33a', label=f'{rate:.1e}')
    ax.set(xscale='log', xlabel='learning rate', ylabel='loss')
    ax.legend()
    return ax


def _save(path, ax):
    ax.figure.tight_layout()
    ax.figure.savefig(path, dpi=90)
    plt.close(ax.figure)


def plot_history(
    run:str|Path, # A folder of `runs`
    ax=None # Matplotlib axes
):
    "Losses and accuracy over the epochs"
    df, ax = Run(run).history, ax or plt.subplots(figsize=(6, 3))[1]
    df[['train_loss','valid_loss']].plot(ax=ax, color=['#7a7a7a','#3b6fb6'])
    df.accuracy.plot(ax=ax, color='#f2a33a', secondary_y=True, label='accuracy')
    ax.set(xlabel='epoch, frozen and unfrozen', ylabel='loss')
    return ax


def plot_reliability(
    tables:dict, # Name -> from `reliability`
    axs=None # Matplotlib axes, as many
):
    "One diagram a table, side by side"
    axs = plt.subplots(1, len(tables), figsize=(3.4*len(tables), 3.2), sharey=True, squeeze=False)[1][0] if axs is None else axs
    for ax,(name,o) in zip(axs, tables.items()):
        ax.plot([0, 1], [0, 1], color='#7a7a7a', lw=1)
        for r in o.itertuples(): ax.bar(r.confidence, r.accuracy, .08, color='#3b6fb6', alpha=.25+.75*r.pictures/o.pictures.max())
        ax.set(title=name, xlabel='confidence', ylabel='accuracy' if ax is axs[0] else '', xlim=(0, 1), ylim=(0, 1))
    return axs


def plot_confusion(
    labels:list, # Categories
    cm, # (n, n): row = right, column = answered
    ax=None # Matplotlib axes
):
    "The confusion matrix, counts in the cells, shaded by row"
    cm = np.asarray(cm)
    ax = ax or plt.subplots(figsize=(5.2, 4.6))[1]
    ax.imshow(cm/np.maximum(cm.sum(1, keepdims=True), 1), cmap='Blues', vmin=0, vmax=1)
    for (i,j),n in np.ndenumerate(cm): ax.text(j, i, n or '', ha='center', va='center', color='white' if n > cm[i].sum()/2 else 'black')
    ax.set(xticks=range(len(labels)), yticks=range(len(labels)), yticklabels=labels, xlabel='answered', ylabel='right')
    ax.set_xticks(range(len(labels)), labels, rotation=45, ha='right')
    return ax


def show_confused(
    table:pd.DataFrame, # From `confused`
    pairs:int=3, # Rows of the table
    n:int=6 # Pictures a row
):
    "The pictures of the most confused pairs, a row a pair"
    axs = plt.subplots(pairs, n, figsize=(1.6*n, 1.8*pairs), squeeze=False)[1]
    for ax in axs.flat: ax.axis('off')
    for row,r in zip(axs, table.itertuples()):
        row[0].set_title(f'{r.category}, answered {r.answer}', loc='left', fontsize=9)
        for ax,p in zip(row, r.paths): ax.imshow(PILImage.create(p).to_thumb(200))
    return axs


def plot_learning_curve(
    table:pd.DataFrame, # From `learning_curve`
    ax=None # Matplotlib axes
):
    "Accuracy against pictures per category, with the spread of the draws"
    ax = ax or plt.subplots(figsize=(6, 3))[1]
    ax.plot(table.pictures, table['mean'], 'o-', color='#3b6fb6')
    ax.fill_between(table.pictures, table.low, table.high, color='#3b6fb6', alpha=.2)
    ax.set(xscale='log', xlabel='training pictures a category', ylabel='validation accuracy')
    ax.set_xticks(table.pictures, table.pictures)
    return ax
