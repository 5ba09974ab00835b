"""What is in the folder: how many, from where, how large, how good, how alike; one chart a function"""

from contextlib import redirect_stdout
from io import StringIO
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
from PIL import Image
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from ..collecting.store import Manifest
from ..settings import Settings, load_settings


def _source(url):
    "The host of an address, or the folder that was imported"
    return urlsplit(url).hostname or url.split('/')[0]


def pictures(
    settings:Settings|None=None # None: the nearest `settings.ini`
)->pd.DataFrame: # A row a picture that is kept: path, category, source, query, width, height, phash
    "The pictures in `images/`"
    d = (settings or load_settings()).data.path
    rows = {r.sha1: r for r in Manifest(d/'manifest.csv').rows() if not r.rejected}
    def one(p):
        r = rows.get(p.stem)
        size = (int(r.width), int(r.height)) if r else Image.open(p).size
        return [p, p.parent.name, _source(r.url) if r else 'by hand', r.query if r else '', *size, int(r.phash or 0, 16) if r else 0]
    return pd.DataFrame([one(p) for p in sorted((d/'images').glob('*/*.jpg'))], columns=['path','category','source','query','width','height','phash'])


def audit(
    df:pd.DataFrame, # From `pictures`
    issues=('dark','light','blurry','low_information','odd_size','odd_aspect_ratio','grayscale'), # Names of cleanvision's issues
)->pd.DataFrame: # A row a picture, a column an issue, True where there is one; index as `df`
    "What cleanvision objects to"
    from cleanvision import Imagelab
    with redirect_stdout(StringIO()):
        lab = Imagelab(filepaths=[str(p) for p in df.path])
        lab.find_issues({o: {} for o in issues}, n_jobs=1, verbose=False)
    found = lab.issues[[f'is_{o}_issue' for o in issues]].set_axis(list(issues), axis=1)
    return found.loc[[str(p) for p in df.path]].set_axis(df.index)


def alike(
    df:pd.DataFrame, # From `pictures`
    bits:int=10 # Hamming distance of the perceptual hashes, at most
)->list: # Lists of row labels, largest first
    "Groups of pictures that are connected by small distances"
    h = df.phash.to_numpy(np.uint64)
    pairs = [(i, i+1+j) for i in range(len(h)) if h[i] for j in np.flatnonzero((np.bitwise_count(h[i+1:] ^ h[i]) <= bits) & (h[i+1:] != 0))]
    if not pairs: return []
    i, j = np.array(pairs).T
    _, group = connected_components(coo_matrix((np.ones(len(i)), (i, j)), shape=(len(h), len(h))), directed=False)
    groups = pd.Series(df.index).groupby(group).agg(list)
    return sorted((o for o in groups if len(o) > 1), key=len, reverse=True)
