"""Several labels of a picture learned at once: its category, and further columns of a table"""
from pathlib import Path

import pandas as pd
import torch.nn.functional as F
from fastai.vision.all import CategoryBlock, DataLoaders, L, Transform
from fastai.vision.all import accuracy as top_accuracy
from torch import nn

from .splits import DataError

UNSAID = '' # a label that a table does not give


def with_labels(
    df:pd.DataFrame, # table from `pictures`
    file:str|Path, # CSV with a row for each picture: its file name, and a column for each further label
    columns:list, # column of the file names, then those of the labels
    enough:int=20 # pictures of a label, at least; rarer ones are not learned
)->pd.DataFrame: # the same pictures with the columns of the labels; '' where nothing is known
    "Pictures with further labels, matched by the file name that they came with. Raises `DataError`"
    name, *labels = columns
    try: table = pd.read_csv(file, dtype=str, keep_default_na=False)[columns]
    except (OSError, ValueError, KeyError) as e:
        raise DataError(f"{file}: cannot be read as labels ({e}); "
            f"name a CSV with the columns {', '.join(columns)}") from None
    table = table.drop_duplicates(name).set_index(name)
    stems = df.url.map(lambda url: Path(url).stem)
    found = pd.DataFrame({o: stems.map(table[o]).fillna(UNSAID) for o in labels})
    for column in labels:
        counts = found[column].map(found[column].value_counts())
        found.loc[counts < enough, column] = UNSAID
    return df.assign(**found)


class Column(Transform):
    "Path to the label in a column of a table"
    def __init__(self,
        df:pd.DataFrame, # pictures with their labels
        column:str # one of its columns
    ): self.table = dict(zip(df.path, df[column], strict=True))
    def encodes(self, path): return self.table[path]


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


def category_accuracy(
    categories:int # number of categories, the first columns of the output
):
    "The accuracy of the category, under the name that callbacks watch"
    def of_category(output, category, *_): return top_accuracy(output[:, :categories], category)
    of_category.__name__ = 'accuracy'
    return of_category
