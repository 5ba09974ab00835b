"""The same pictures as a phone might have taken them: smaller, turned, in a dim room, out of focus"""
from itertools import chain

import numpy as np
import pandas as pd
from PIL import Image, ImageFilter

from ..images import open_image
from .answers import answers_of
from .metrics import answer_scores

BATCH = 16 # pictures that are open at once


def border_color(im:Image.Image)->tuple:
    "The mean colour of the outermost pixels"
    pixels = np.asarray(im)
    edges = np.concatenate([pixels[0], pixels[-1], pixels[:,0], pixels[:,-1]])
    return tuple(int(o) for o in edges.mean(0).round())


def unchanged(im:Image.Image)->Image.Image:
    "The picture as it is"
    return im


def half_of_frame(im:Image.Image)->Image.Image:
    "Half as wide and half as high, in the middle of a frame in the colour of its border"
    frame = Image.new('RGB', im.size, border_color(im))
    small = im.resize((max(im.width//2, 1), max(im.height//2, 1)))
    frame.paste(small, ((im.width-small.width)//2, (im.height-small.height)//2))
    return frame


def centre_crop(im:Image.Image)->Image.Image:
    "The middle 70 % of width and height"
    left, top = round(.15*im.width), round(.15*im.height)
    return im.crop((left, top, im.width-left, im.height-top))


def turned_a_little(im:Image.Image)->Image.Image:
    "Turned by 20 degrees; the corners get the colour of the border"
    return im.rotate(20, Image.Resampling.BILINEAR, fillcolor=border_color(im))


def turned_sideways(im:Image.Image)->Image.Image:
    "Turned by 90 degrees"
    return im.transpose(Image.Transpose.ROTATE_90)


def dim_and_warm(im:Image.Image)->Image.Image:
    "Half the light, red a quarter stronger and blue a quarter weaker"
    pixels = np.asarray(im)*np.array([.625, .5, .375])
    return Image.fromarray(pixels.round().astype(np.uint8))


def out_of_focus(im:Image.Image)->Image.Image:
    "Blurred with a radius of 2.5 pixels at a longer side of 256"
    return im.filter(ImageFilter.GaussianBlur(2.5*max(im.size)/256))


def shrunk(im:Image.Image)->Image.Image:
    "A thumbnail whose longer side has 96 pixels"
    small = im.copy()
    small.thumbnail((96, 96))
    return small


conditions = {'unchanged': unchanged, 'half of the frame': half_of_frame, 'centre crop of 70 %': centre_crop,
    'turned by 20°': turned_a_little, 'turned by 90°': turned_sideways, 'dim and warm light': dim_and_warm,
    'out of focus': out_of_focus, 'shrunk to 96 px': shrunk}


def some(
    df:pd.DataFrame, # table from `pictures`
    n:int, # pictures, at most
    seed:int # seed of the choice
)->pd.DataFrame:
    "A random sample, the same every time"
    return df if len(df) <= n else df.sample(n, random_state=seed)


def _batch_answers(learn, df, serving, picture):
    "The answers to a few pictures under every condition"
    images = [open_image(path) for path in df.path]
    for name,change in conditions.items():
        changed = [picture(change(im)) for im in images]
        yield answers_of(learn, changed).table(df, serving).assign(condition=name)


def answers_under_conditions(
    learn, # fastai learner
    df:pd.DataFrame, # table from `pictures`
    serving:dict, # temperature and thresholds, from `calibrate`
    picture # function from an open picture to the type that the learner takes
)->pd.DataFrame: # columns of `LearnerAnswers.table`, and condition
    "The answers to the same pictures under every condition, a few pictures in memory at a time"
    batches = [df.iloc[i:i+BATCH] for i in range(0, len(df), BATCH)]
    answers = [_batch_answers(learn, batch, serving, picture) for batch in batches]
    return pd.concat(chain.from_iterable(answers), ignore_index=True)


def condition_scores(
    answers:pd.DataFrame # table from `answers_under_conditions`
)->dict: # condition -> pictures, accuracy, interval, ece, known
    "What is said of the answers under each condition"
    return {name: answer_scores(rows) for name,rows in answers.groupby('condition', sort=False)}


def condition_table(
    figures:dict # result of `condition_scores`
)->pd.DataFrame: # a row a condition: what it is, pictures, right (share), its interval, known (share)
    "Accuracy under each condition at a glance"
    rows = {name: [conditions[name].__doc__, o['pictures'], o['accuracy'], *o['interval'], o['known']]
        for name,o in figures.items()}
    table = pd.DataFrame(rows, index=['what','pictures','right','low','high','known']).T
    return table.astype(dict.fromkeys(['right','low','high','known'], float) | dict(pictures=int)).round(3)
