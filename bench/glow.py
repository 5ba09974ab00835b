"""Where the network looks: the share of the heat of "Why?" that falls on the garment itself

    python bench/glow.py ../shared/data/street export.onnx [OTHER.onnx ...] [--settings examples/shipped.ini]

Garments cut out of street photos with a label for each pixel; only those that no training of the settings' pictures
saw (validation and test split). An even heat would reach the share of the pixels that are the garment's.
Writes bench/glow.json.
"""
import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from clothing_classifier.collecting.importers import masked
from clothing_classifier.dataset import pictures
from clothing_classifier.predict import Classifier
from clothing_classifier.serving.heat_map import heat
from clothing_classifier.settings import load_settings

ROOT = Path(__file__).resolve().parents[1]


def unseen(street, settings):
    "Category, picture and mask of each garment that no training saw"
    df = pictures(settings)
    urls = set(df.url[df.split.isin(['valid', 'test'])])
    values = pd.read_csv(street/'labels.csv', dtype=str).set_index('name').value
    for found in masked(street, settings):
        if found.url not in urls: continue
        mask = Image.open(street/'masks'/f'{found.path.stem}.png')
        here = Image.fromarray(np.asarray(mask) == int(values[found.query]))
        yield found.category, Image.open(found.path).convert('RGB').crop(found.box), here.crop(found.box)


def share(glow, mask):
    "Share of the heat on the garment; None where there is no heat"
    whole = Image.fromarray(glow.astype(np.float32)).resize(mask.size, Image.Resampling.BILINEAR)
    values = np.asarray(whole).clip(0)
    return float((values*np.asarray(mask)).sum()/values.sum()) if values.sum() > 0 else None


def measured(classifier, garments):
    "A row for each garment: its category, the answer, shares of the heat and of the pixels"
    for category, image, mask in garments:
        answer = classifier.predict(image)
        on_garment, pixels = share(heat(classifier, image, category), mask), np.asarray(mask).mean()
        yield dict(category=category, right=answer.category == category, heat=on_garment, pixels=pixels)


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument('street', type=Path, help='folder with images/, masks/ and labels.csv')
    p.add_argument('networks', nargs='+', help='.onnx files')
    p.add_argument('--settings', default=ROOT/'examples'/'shipped.ini')
    p.add_argument('--out', default=ROOT/'bench'/'glow.json')
    a = p.parse_args()
    garments, found = list(unseen(a.street, load_settings(a.settings))), {}
    for file in a.networks:
        table = pd.DataFrame(measured(Classifier(file), garments))
        mean = table.groupby('category')[['right', 'heat', 'pixels']].mean()
        mean.loc['all'] = table[['right', 'heat', 'pixels']].mean()
        print(Path(file).name, len(table), 'garments', mean.round(3).to_string(), sep='\n')
        found[Path(file).name] = dict(garments=len(table)) | mean.loc['all'].round(4).to_dict()
    Path(a.out).write_text(json.dumps(found, indent=1) + '\n')


if __name__ == '__main__': main()
