"""A run: what one training was asked to do, what happened, and what came out of it"""
import itertools
import json
from datetime import datetime
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

from ..files import write_atomically
from ..settings import Settings, load_settings, settings_text
from .learner_file import read_learner, write_learner
from .weights import TrainError


class Run:
    "A folder of `runs`: settings.ini, history.csv, metrics.json, learner.pkl and charts"
    def __init__(self,
        path:str|Path # an existing folder
    ): self.path = Path(path)

    def part(self,
        name:str # like `fold_0`
    )->'Run':
        "A run inside this one, in a folder that is made if it is missing"
        folder = self.path/name
        folder.mkdir(parents=True, exist_ok=True)
        return Run(folder)

    def __repr__(self): return f'Run({self.path.name})'

    @classmethod
    def new(cls, settings:Settings)->'Run':
        "A new folder, named by the time, with the settings in it"
        now = datetime.now().strftime('%Y-%m-%d_%H%M%S')
        names = itertools.chain([now], (f'{now}_{i}' for i in itertools.count(2)))
        path = next(p for o in names if not (p := settings.train.runs/o).exists())
        path.mkdir(parents=True)
        weights = settings.train.weights
        text = settings_text(settings, '' if weights in ('imagenet','none') else Path(weights).name)
        write_atomically(path/'settings.ini', text.encode())
        return cls(path)

    @classmethod
    def latest(cls, settings:Settings)->'Run':
        "The newest run with a learner. Raises `TrainError`"
        runs = [cls(file.parent) for file in sorted(settings.train.runs.glob('*/learner.pkl'))]
        found = [run for run in runs if 'apart_from' not in run.metrics] # the others have seen test pictures
        if not found:
            raise TrainError(f"{settings.train.runs}: holds no learner.pkl of a training; "
                "run clothing-classifier train first, or the chapter 03_train")
        return found[-1]

    @classmethod
    def of(cls,
        learn # fastai learner from `learner` or `Run.load`
    )->'Run':
        "The run of a learner. Raises `TrainError`"
        if not (Path(learn.path)/'settings.ini').is_file():
            raise TrainError(f"{learn.path}: is not the folder of a training; "
                "get the learner from learner(dls) or Run.latest(settings).load()")
        return cls(learn.path)

    @property
    def settings(self)->Settings: return load_settings(self.path/'settings.ini')

    @property
    def project(self)->Settings:
        "The settings of the project today, with the architecture and the sizes of this training"
        above = (folder/'settings.ini' for folder in self.path.resolve().parents)
        return self.as_trained(load_settings(next((o for o in above if o.is_file()), None)))

    def as_trained(self, settings:Settings)->Settings:
        "Settings with the architecture, the sizes and the kind of resizing of this training"
        its = self.settings.train
        return settings.changed(train_arch=its.arch, train_size=its.size, train_resize=its.resize,
            train_final_epochs=its.final_epochs, train_final_size=its.final_size)

    def recipe(self, settings:Settings)->Settings:
        "Settings with all of this training's `[train]` but what depends on the machine or the project"
        own = {key: getattr(settings.train, key) for key in ('weights','runs','threads','workers','track')}
        return settings.model_copy(update=dict(train=self.settings.train.model_copy(update=own | dict(folds=0))))

    @property
    def learner_file(self)->Path: return self.path/'learner.pkl'

    @property
    def metrics(self)->dict:
        "The content of metrics.json, empty before there is any"
        file = self.path/'metrics.json'
        return json.loads(file.read_text(encoding='utf-8')) if file.exists() else {}

    def add_metrics(self,
        **values # plain numbers, texts, lists and dicts
    ): write_atomically(self.path/'metrics.json', json.dumps(self.metrics | values, indent=1).encode())

    @property
    def history(self)->pd.DataFrame: # epoch, train_loss, valid_loss, accuracy, time
        "The epochs, from history.csv"
        df = pd.read_csv(self.path/'history.csv')
        df = df[df.epoch != 'epoch']
        return df.astype(dict(train_loss=float, valid_loss=float, accuracy=float)).reset_index(drop=True)

    def kept_table(self,
        name:str, # file name without its ending
        make # function without arguments that returns the table
    )->pd.DataFrame:
        "A table that was made before, else made now and kept as CSV"
        file = self.path/f'{name}.csv'
        if not file.exists(): write_atomically(file, make().to_csv(index=False).encode())
        return pd.read_csv(file, keep_default_na=False)

    def save_chart(self,
        name:str, # file name without its ending
        ax # axes of the chart
    ):
        "Keep a chart as PNG, and close its figure"
        ax.figure.tight_layout()
        ax.figure.savefig(self.path/f'{name}.png', dpi=90)
        plt.close(ax.figure)

    def save(self, learn):
        "Keep the learner, for evaluation, export and the other chapters"
        write_learner(learn, self.learner_file)

    def load(self):
        "The learner of this run; its `path` is the run's folder. Raises `TrainError`"
        learn = read_learner(self.learner_file)
        learn.path = self.path
        return learn
