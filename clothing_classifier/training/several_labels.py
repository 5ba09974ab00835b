"""Several labels of a picture learned at once: its category, and further columns of a table"""
from functools import partial
from pathlib import Path

import pandas as pd
import torch.nn.functional as F
from fastai.vision.all import CategoryBlock, DataLoaders, L, Transform
from fastai.vision.all import accuracy as top_accuracy
from torch import nn

from ..settings import Settings
from .splits import DataError

UNSAID = '' # a label that a table does not give


def _read_labels(file, columns):
    "The named columns of a CSV, all of it text"
    try: return pd.read_csv(file, dtype=str, keep_default_na=False, index_col=False)[columns].fillna(UNSAID)
    except (OSError, ValueError, KeyError) as e:
        raise DataError(f"{file}: cannot be read as labels ({e}); "
            f"name a CSV with the columns {', '.join(columns)}") from None


def _check_columns(file, labels, df):
    "Fail if no label is named, or one that the table of pictures has already"
    if not labels: raise DataError(f"{file}: none of its columns is named as a label; name one after the file name")
    taken = [o for o in labels if o in df.columns]
    if taken: raise DataError(f"{file}: {taken[0]} has a meaning of its own here; give that column another name")


def _frequent(values, name, file, enough):
    "The labels of a column without the rare ones"
    frequent = values.where(values.map(values.value_counts()) >= enough, UNSAID)
    if (frequent == UNSAID).all():
        raise DataError(f"{file}: no {name} has {enough} pictures; look whether its file names are those that "
            "the pictures came with, as manifest.csv has them under url")
    return frequent


def with_labels(
    df:pd.DataFrame, # table from `pictures`
    file:str|Path, # CSV with a row for each picture: its file name, and a column for each further label
    columns:list, # column of the file names, then those of the labels
    enough:int=20 # pictures of a label, at least; rarer ones are not learned
)->pd.DataFrame: # the same pictures with the columns of the labels; '' where nothing is known
    "Pictures with further labels, matched by the file name that they came with. Raises `DataError`"
    name, *labels = columns
    _check_columns(file, labels, df)
    table = _read_labels(file, columns).drop_duplicates(name).set_index(name)
    names, stems = df.url.map(lambda url: Path(url).name), df.url.map(lambda url: Path(url).stem)
    found = {o: names.map(table[o]).fillna(stems.map(table[o])).fillna(UNSAID) for o in labels}
    return df.assign(**{o: _frequent(values, o, file, enough) for o,values in found.items()})


def check_settings(
    settings:Settings # settings of a training
):
    "Fail if a training of several labels cannot do what `[train]` asks for. Raises `DataError`"
    t = settings.train
    wanted = [key for key in ('mixup','cutmix','cache_features','final_epochs','folds') if getattr(t, key)]
    if t.balance == 'weights': wanted.append('balance')
    if wanted:
        raise DataError(f"[train] {', '.join(wanted)}: cannot be used when several labels are learned; "
            f"set to 0 or no in {settings.file}")


class Column(Transform):
    "Path to the label in a column of a table, '' where nothing is known"
    def __init__(self,
        df:pd.DataFrame, # pictures with their labels
        column:str # one of its columns
    ): self.table = dict(zip(df.path, df[column], strict=True))
    def encodes(self, path): return self.table.get(path, UNSAID)
    def __getstate__(self): return self.__dict__ | dict(table={}) # a learner holds no paths of this machine


def label_block(
    df:pd.DataFrame, # pictures with their labels
    column:str # one of its columns
)->CategoryBlock:
    "Block of a label that some pictures lack: those have the number 0"
    return CategoryBlock(vocab=sorted(set(df[column]) - {UNSAID}), add_na=True)


def label_sizes(dls:DataLoaders)->list:
    "Number of values of each label that is learned; one item for a category alone"
    return [len(vocab) for vocab in dls.vocab] if isinstance(dls.vocab, L) else [len(dls.vocab)]


class SeveralLabels(nn.Module):
    "Sum of the cross-entropies of all labels; a picture without a label does not count for it"
    def __init__(self,
        sizes:list, # number of values of each label, as columns of the network's output
        smoothing:float=0. # share of the target moved from one-hot to uniform
    ):
        super().__init__()
        self.sizes, self.smoothing = sizes, smoothing

    def forward(self, output, category, *labels): # (n, sum of sizes), (n,), further (n,) with 0 for nothing known
        first, *others = output.split(self.sizes, 1)
        loss = F.cross_entropy(first, category, label_smoothing=self.smoothing)
        for logits,label in zip(others, labels, strict=True):
            found = F.cross_entropy(logits, label, ignore_index=0, label_smoothing=self.smoothing, reduction='sum')
            loss = loss + found/(label != 0).sum().clamp(min=1)
        return loss


def accuracy(output, category, *_, categories):
    "The share of right categories, under the name that callbacks watch"
    return top_accuracy(output[:, :categories], category)


def category_accuracy(
    categories:int # number of categories, the first columns of the output
): return partial(accuracy, categories=categories)
