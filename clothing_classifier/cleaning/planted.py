"""How good is a ranking? Plant errors in the labels, and count how many of them it finds"""
import numpy as np
import pandas as pd
from sklearn.metrics import average_precision_score


def plant_errors(
    df:pd.DataFrame, # table of `pictures`
    share:float, # wrong labels, 0 to 1
    seed:int=0 # random choice of the pictures and of their wrong labels
)->pd.DataFrame: # copy; the column `planted` says which labels are wrong
    "Replace labels by another category, in the table, not on disk"
    random, labels = np.random.default_rng(seed), sorted(set(df.category))
    df = df.reset_index(drop=True)
    chosen = random.choice(len(df), round(share*len(df)), replace=False)
    category = df.category.map(labels.index).to_numpy(copy=True)
    category[chosen] += random.integers(1, len(labels), len(chosen))
    names = [labels[i % len(labels)] for i in category]
    return df.assign(category=names, planted=df.index.isin(chosen))


def detection_scores(
    planted:np.ndarray # bool (n,), in the order of the ranking
)->dict: # precision, recall, average_precision
    "Share of n planted errors in the first n rows and in the first 1.5 n, and the area under precision-recall"
    planted = np.asarray(planted, bool)
    n = planted.sum()
    return dict(precision=float(planted[:n].mean()), recall=float(planted[:int(1.5*n)].sum()/n),
        average_precision=float(average_precision_score(planted, -np.arange(len(planted)))))
