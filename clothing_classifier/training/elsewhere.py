"""Accuracy on sources that nothing was learned from: each is left out once, while the others train"""
import re
from functools import cached_property

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from ..collecting.store import Manifest
from ..settings import Settings
from .answers import LearnerAnswers, answers_of, calibrate, known_examples, learn_known_score, numbers_of
from .baselines import linear
from .conditions import answers_under_conditions, condition_scores, some
from .features import features
from .metrics import answer_scores
from .others import with_others
from .runs import Run
from .splits import source_of

SMALL = 'small sources' # all those with few pictures


def source_groups(
    df:pd.DataFrame, # table from `pictures`
    at_least:int=100 # pictures of a source that stands alone
)->pd.Series: # name of a source, or `SMALL`
    "The source of each picture; sources with fewer pictures count as one"
    pictures = df.source.map(df.source.value_counts())
    return df.source.where(pictures >= at_least, SMALL)


def without(
    df:pd.DataFrame, # table from `pictures`
    held:pd.Series # bool: pictures of the source that is left out
)->pd.DataFrame: # pictures left out as `test`; train and valid of the others, without near duplicates of those
    "Splits that leave a source out; its pictures of categories that the others lack are not asked"
    near = df.group.isin(df.group[held])
    split = df.split.where(df.split.isin(['train','valid']) & ~near, '')
    df = df.assign(split=split.mask(held, 'test'))
    trained = df.category[df.split == 'train'].unique()
    return df[(df.split != '') & df.category.isin(trained)].reset_index(drop=True)


def _can_train(df, at_least):
    "Do the other sources have enough to learn from, and something to calibrate on?"
    train, n = df[df.split == 'train'], df.split.value_counts()
    return len(train) >= at_least and train.category.nunique() > 1 and {'valid','test'} <= set(n.index)


def left_out(
    df:pd.DataFrame, # table from `pictures`
    at_least:int=100 # pictures of a source that stands alone, and training pictures of the others
)->dict: # source -> table from `without`; empty if all pictures are from one source
    "The pictures once for each source that can be left out"
    groups = source_groups(df, at_least)
    tables = {name: without(df, groups == name) for name in sorted(groups.unique())}
    return {name: table for name,table in tables.items() if _can_train(table, at_least)}


def _logits(head, X): return np.log(head.predict_proba(X).clip(1e-12))


class HeadElsewhere:
    "Logistic regression on features of the pretrained body, without a source"
    def __init__(self,
        df:pd.DataFrame, # table from `without`
        settings:Settings # settings with the weights of the body in `[train]`
    ): self.df, self.settings = df, settings

    def answers(self)->pd.DataFrame:
        "What it answers for the pictures left out; see `LearnerAnswers.table`"
        df, X = self.df, features(self.df, self.settings)
        train, valid, test = [(df.split == o).to_numpy() for o in ('train','valid','test')]
        head = linear(.002).fit(X[train], df.category[train])
        labels = list(head.classes_)
        of_valid, of_test = [LearnerAnswers(labels, _logits(head, X[o])) for o in (valid, test)]
        y_valid = df.category[valid].map(labels.index).to_numpy()
        serving = calibrate(of_valid, y_valid, self.settings.export.keep_known_percent)
        return of_test.table(df[test], serving)


class TunedElsewhere:
    "A network fine-tuned without a source, in a folder of its own; what is there already is read"
    def __init__(self,
        df:pd.DataFrame, # table from `without`
        settings:Settings, # settings of the training
        run:Run, # run of this source
        train # function of settings, a run's folder and pictures that returns a learner
    ): self.df, self.settings, self.run, self.train = df, settings, run, train

    def _trained(self):
        "The learner, from the run if it was trained to its end"
        if 'left_out' in self.run.metrics: return self.run.load()
        pics = with_others(self.df, self.settings, apart=self._other_pictures())
        learn = self.train(self.settings.changed(train_folds=0), self.run.path, pics)
        if learn.graceful_stop.stopped: raise KeyboardInterrupt
        self.run.add_metrics(left_out=self._sources())
        return learn

    def _sources(self): return sorted(self.df.source[self.df.split == 'test'].unique())

    def _other_pictures(self):
        "SHA-1 of the manifest's pictures from the sources that are left out"
        rows, sources = Manifest(self.settings.data.path/'manifest.csv').rows(), self._sources()
        return [row.sha1 for row in rows if source_of(row.url) in sources]

    @cached_property
    def learn(self):
        "The learner, with a score of *known* that has not seen the source either"
        learn = self._trained()
        examples = known_examples(learn, self.df, self.settings, apart=self._other_pictures())
        learn.known = learn_known_score(examples, self.settings.train.seed)
        return learn

    @cached_property
    def serving(self):
        "Temperature and thresholds, from the validation split of the other sources"
        valid = self.df[self.df.split == 'valid']
        of_valid = answers_of(self.learn, valid.path)
        return calibrate(of_valid, numbers_of(self.learn, valid), self.settings.export.keep_known_percent)

    def answers(self)->pd.DataFrame:
        "What it answers for the pictures left out; see `LearnerAnswers.table`"
        test = self.df[self.df.split == 'test']
        return self.run.kept_table('answers', lambda: answers_of(self.learn, test.path).table(test, self.serving))

    def under_conditions(self,
        picture, # function from an open picture to the type that the learner takes
        most:int=150 # pictures, at most
    )->pd.DataFrame:
        "What it answers for some of them under every condition; see `answers_under_conditions`"
        test = some(self.df[self.df.split == 'test'], most, self.settings.train.seed)
        def asked(): return answers_under_conditions(self.learn, test, self.serving, picture)
        return self.run.kept_table('conditions', asked)


def _folder(source): return 'elsewhere/' + re.sub(r'[^\w.-]+', '_', source).strip('.')


def with_heads(
    tables:dict, # result of `left_out`
    settings:Settings # settings with the weights of the body in `[train]`
)->dict: # plain numbers and texts
    "Leave each source out of a head on frozen features"
    answers = {source: HeadElsewhere(df, settings).answers() for source,df in tqdm(tables.items(), desc='sources')}
    return dict(how='head') | _scores(answers)


def with_fine_tuning(
    tables:dict, # result of `left_out`
    settings:Settings, # settings of the trainings
    run:Run, # training whose folder gets one for each source
    train, # function of settings, a run's folder and pictures that returns a learner
    picture=None # function from an open picture to the type that the learner takes; None: no other conditions
)->dict: # plain numbers and texts
    "Leave each source out of a fine-tuning; can be stopped and continued. Delete `elsewhere/` to measure anew"
    answers, changed = {}, {}
    for source,df in tqdm(tables.items(), desc='sources'):
        tuned = TunedElsewhere(df, settings, run.part(_folder(source)), train)
        answers[source] = tuned.answers()
        if picture: changed[source] = tuned.under_conditions(picture)
    found = dict(how='fine-tuned') | _scores(answers)
    if not changed: return found
    for source,rows in changed.items(): found['sources'][source]['conditions'] = condition_scores(rows)
    return found | dict(conditions=condition_scores(pd.concat(changed)))


def _scores(answers):
    "The figures of each source, and of all pictures together"
    return dict(sources={source: answer_scores(rows) for source,rows in answers.items()},
        all=answer_scores(pd.concat(answers)))


def elsewhere_table(
    figures:dict # result of `with_heads` or `with_fine_tuning`
)->pd.DataFrame: # a row a source, and one for all: pictures, right (share), its interval, ece, known (share)
    "Accuracy on the sources left out at a glance"
    rows = {name: [o['pictures'], o['accuracy'], *o['interval'], o['ece'], o['known']]
        for name,o in (figures['sources'] | dict(all=figures['all'])).items()}
    table = pd.DataFrame(rows, index=['pictures','right','low','high','ece','known']).T
    return table.astype(dict(pictures=int)).round(3)
