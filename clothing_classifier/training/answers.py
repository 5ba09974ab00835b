"""What a learner answers for many pictures at once, and how sure it is of them"""
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from ..predict import softmax
from ..settings import Settings
from .features import logits_of, outputs_of
from .metrics import fit_temperature, fit_threshold, reliability, scores
from .network import has_head
from .others import others_of
from .unknown import KnownScore, auroc, fit_known_score, other_pictures, unseen_kinds


@dataclass(frozen=True)
class LearnerAnswers:
    "The answers of a learner, a row a picture"
    labels:list # categories in the order of the columns
    logits:np.ndarray # (n, categories)
    score:np.ndarray|None=None # (n,), likeness to the categories; None if the learner has learned no such score

    def probabilities(self, temperature:float=1.)->np.ndarray: return softmax(self.logits, temperature)

    @property
    def numbers(self)->np.ndarray: return self.logits.argmax(1) # answered categories as numbers

    def certainty(self,
        temperature:float # result of `fit_temperature`
    )->dict: # `max_probability` and, where the learner has one, `score`: arrays (n,)
        "What may decide whether a picture is known"
        found = dict(max_probability=self.probabilities(temperature).max(1))
        return found if self.score is None else found | dict(score=self.score)

    def known(self,
        serving:dict # temperature and thresholds
    )->np.ndarray: # bool (n,)
        "Which pictures are not answered with *unknown*"
        deciding = 'score' if 'score' in serving['thresholds'] else 'max_probability'
        return self.certainty(serving['temperature'])[deciding] >= serving['thresholds'][deciding]

    def reliability(self,
        y:np.ndarray, # (n,), right categories as numbers
        temperature:float # result of `fit_temperature`
    )->dict: # name -> table of `metrics.reliability`
        "How often the answers of each confidence are right, before and after temperature scaling"
        before, after = self.probabilities(), self.probabilities(temperature)
        return {'as trained': reliability(before, y), f'temperature {temperature:.2f}': reliability(after, y)}

    def scores(self,
        y:np.ndarray, # (n,), right categories as numbers
        serving:dict # temperature and thresholds
    )->dict: # plain numbers and lists
        "Accuracy, calibration, and share known; see `metrics.scores`"
        return scores(self.labels, self.logits, y, serving['temperature'], self.known(serving))

    def table(self,
        df:pd.DataFrame, # the same pictures, from `pictures`
        serving:dict # temperature and thresholds
    )->pd.DataFrame: # sha1, category, answer, confidence, known
        "A row a picture: what is right, and what is answered how surely"
        answer, confidence = np.array(self.labels)[self.numbers], self.probabilities(serving['temperature']).max(1)
        rows = df[['sha1','category']].reset_index(drop=True)
        return rows.assign(answer=answer, confidence=confidence.round(4), known=self.known(serving))


def numbers_of(
    learn, # fastai learner
    df:pd.DataFrame # result of `pictures`
)->np.ndarray: # (n,)
    "The right categories as numbers"
    return df.category.map(list(learn.dls.vocab).index).to_numpy()


def answers_of(
    learn, # fastai learner from `learner`, `Run.load` or `load_learner`
    paths # pictures
)->LearnerAnswers:
    "What a learner answers for some pictures"
    labels, score = list(learn.dls.vocab), getattr(learn, 'known', None)
    if not has_head(learn.model): return LearnerAnswers(labels, logits_of(learn, paths))
    logits, features = outputs_of(learn, paths)
    return LearnerAnswers(labels, logits, None if score is None else score(torch.tensor(features)).numpy())


def calibrate(
    answers:LearnerAnswers, # for validation pictures
    y:np.ndarray, # (n,), right categories as numbers
    keep_percent:float=97 # percent of these pictures that stay known
)->dict: # temperature and thresholds
    "How sure the answers may sound, and below which certainty they become *unknown*"
    temperature = fit_temperature(answers.logits, y)
    certainty = answers.certainty(temperature)
    thresholds = {name: fit_threshold(values, keep_percent) for name,values in certainty.items()}
    return dict(temperature=temperature, thresholds=thresholds)


@dataclass(frozen=True)
class KnownExamples:
    "What a score of *known* is learned from: pooled features of pictures"
    f:np.ndarray # (n, features) of training pictures
    y:np.ndarray # (n,), their categories as numbers
    other:np.ndarray # (m, features) of pictures of something else
    kinds:np.ndarray # (m,), what those show


def known_examples(
    learn, # fastai learner
    df:pd.DataFrame, # result of `pictures`
    settings:Settings, # the project
    apart=() # SHA-1 of pictures of something else that it must not see
)->KnownExamples|None: # None without pictures of something else
    "Features of the training pictures, and of those in `[unknown] pictures`. Raises `DataError`"
    other = others_of(settings, apart)
    if other.empty or not has_head(learn.model): return None
    train = df[df.split == 'train']
    f, of_other = outputs_of(learn, train.path)[1], outputs_of(learn, other.path)[1]
    return KnownExamples(f, numbers_of(learn, train), of_other, other.kind.to_numpy())


def learn_known_score(
    examples:KnownExamples|None, # result of `known_examples`
    seed:int=42 # seed of the clustering
)->KnownScore|None:
    "A score that tells pictures of the categories from others; None without examples"
    if examples is None: return None
    return fit_known_score(examples.f, examples.y, examples.other, seed=seed)


def kinds_left_out(
    learn, # fastai learner
    examples:KnownExamples|None, # result of `known_examples`
    valid:pd.DataFrame, # validation pictures
    settings:Settings # the project
)->list: # kind, pictures, unknown (share); empty with fewer than two kinds
    "How often a kind of picture is answered with *unknown* when the score has not learned from this kind"
    if examples is None or len(set(examples.kinds)) < 2: return []
    of_valid = outputs_of(learn, valid.path)[1]
    table = unseen_kinds(examples.f, examples.y, of_valid, examples.other, examples.kinds,
        settings.export.keep_known_percent, seed=settings.train.seed)
    return table.round(4).to_dict('records')


def unknown_kinds(
    learn, # fastai learner
    answers:LearnerAnswers, # for test pictures
    serving:dict, # temperature and thresholds
    settings:Settings # the project
)->dict: # kind -> pictures, auroc, unknown (share)
    "How well each kind of picture in `[unknown] held` is told from the categories"
    temperature, found = serving['temperature'], {}
    of_categories = answers.certainty(temperature)
    for kind,rows in other_pictures(settings.unknown.held).groupby('kind'):
        others = answers_of(learn, rows.path)
        of_others = others.certainty(temperature)
        areas = {name: round(auroc(values, of_others[name]), 4) for name,values in of_categories.items()}
        found[kind] = dict(pictures=len(rows), auroc=areas, unknown=round(float((~others.known(serving)).mean()), 4))
    return found
