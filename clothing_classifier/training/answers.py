"""What a learner answers for many pictures at once, and how sure it is of them"""
from dataclasses import dataclass

import numpy as np
import torch

from ..predict import softmax
from .features import has_head, logits_of, outputs_of
from .metrics import fit_temperature, fit_threshold, scores


@dataclass(frozen=True)
class Answers:
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

    def scores(self,
        y:np.ndarray, # (n,), right categories as numbers
        serving:dict # temperature and thresholds
    )->dict: # plain numbers and lists
        "Accuracy, calibration, and share known; see `metrics.scores`"
        return scores(self.labels, self.logits, y, serving['temperature'], self.known(serving))


def answers_of(
    learn, # fastai learner from `learner`, `Run.load` or `load_learner`
    paths # pictures
)->Answers:
    "What a learner answers for some pictures"
    labels, score = list(learn.dls.vocab), getattr(learn, 'known', None)
    if not has_head(learn.model): return Answers(labels, logits_of(learn, paths))
    logits, features = outputs_of(learn, paths)
    return Answers(labels, logits, None if score is None else score(torch.tensor(features)).numpy())


def calibrate(
    answers:Answers, # for validation pictures
    y:np.ndarray, # (n,), right categories as numbers
    keep_percent:float=97 # percent of these pictures that stay known
)->dict: # temperature and thresholds
    "How sure the answers may sound, and below which certainty they become *unknown*"
    temperature = fit_temperature(answers.logits, y)
    certainty = answers.certainty(temperature)
    thresholds = {name: fit_threshold(values, keep_percent) for name,values in certainty.items()}
    return dict(temperature=temperature, thresholds=thresholds)
