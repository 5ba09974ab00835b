"""A picture that was answered wrongly is kept with its right category, for the next training, if the operator wants that"""

import hashlib
import os
import threading
from datetime import datetime, timezone
from pathlib import Path

from ..images import open_image, thumbnail
from ..settings import Settings, SettingsError, load_settings
from ..texts import VisitorError


class FeedbackError(VisitorError):
    "A picture that is not kept; its text is a sentence for the person who sent it"


def clean(
    data, # What `open_image` takes
    max_side:int=1024, # Pixels; a larger picture is shrunk to it
    max_megapixels:float=25 # More is refused
)->tuple: # SHA-1 in hex, JPEG
    "The picture alone. Raises `ImageError`"
    jpeg = thumbnail(open_image(data, max_megapixels, side=max_side), max_side)
    return hashlib.sha1(jpeg).hexdigest(), jpeg


class Folder:
    "Keeps pictures as `<category>/<sha1>.jpg`"
    _turn = threading.Lock() # Two threads may be sent the same picture
    def __init__(self, path): self.path = Path(path)
    def __len__(self): return sum(1 for _ in self.path.glob('*/*.jpg'))

    def put(self, category, sha1, jpeg, answer):
        "Write beside, rename, then forget what was said before"
        to = self.path/category/f'{sha1}.jpg'
        to.parent.mkdir(parents=True, exist_ok=True)
        tmp = to.with_suffix(f'.{os.getpid()}.tmp')
        with self._turn:
            tmp.write_bytes(jpeg)
            tmp.replace(to)
            for o in self.path.glob(f'*/{sha1}.jpg'):
                if o != to: o.unlink(missing_ok=True)


class Database:
    "Keeps pictures in the table `feedback` of any database that SQLAlchemy talks to"
    def __init__(self, url):
        try: import sqlalchemy as sa
        except ModuleNotFoundError: raise SettingsError("[feedback] store = database needs SQLAlchemy; pip install 'clothing_classifier[database]', or set it to folder") from None
        if url.startswith(('postgres://','postgresql://')): url = 'postgresql+psycopg://' + url.split('://', 1)[1]
        self.sa, self.engine = sa, sa.create_engine(url, pool_pre_ping=True)
        self.table = sa.Table('feedback', sa.MetaData(), sa.Column('sha1', sa.String(40), primary_key=True), sa.Column('category', sa.String(60), nullable=False),
            sa.Column('answer', sa.String(60)), sa.Column('sent_at', sa.DateTime, nullable=False), sa.Column('jpeg', sa.LargeBinary, nullable=False))
        self.table.metadata.create_all(self.engine)

    def __len__(self):
        with self.engine.connect() as c: return c.scalar(self.sa.select(self.sa.func.count()).select_from(self.table))

    def put(self, category, sha1, jpeg, answer):
        "Replace the row of this picture; of several who bring the same one at once, all but the first try again"
        for _ in range(9):
            try: return self._put(category, sha1, jpeg, answer)
            except self.sa.exc.IntegrityError: pass
        self._put(category, sha1, jpeg, answer)

    def _put(self, category, sha1, jpeg, answer):
        with self.engine.begin() as c:
            c.execute(self.table.delete().where(self.table.c.sha1 == sha1))
            now = datetime.now(timezone.utc).replace(tzinfo=None)
            c.execute(self.table.insert().values(sha1=sha1, category=category, answer=answer, jpeg=jpeg, sent_at=now))

    def write_folder(self,
        path:str|Path # Gets `<category>/<sha1>.jpg`; `import_folder` reads it
    )->int: # Pictures
        "Bring the pictures from the database to the machine that trains"
        folder, n = Folder(path), 0
        with self.engine.connect().execution_options(yield_per=16) as c:
            for n,r in enumerate(c.execute(self.table.select()), 1): folder.put(r.category, r.sha1, r.jpeg, r.answer)
        return n


class Feedback:
    "Checks a picture and its right category, and keeps both"
    def __init__(self,
        place, # `Folder` or `Database`
        categories, # That may be said
        max_side:int=1024, # Pixels
        max_pictures:int=10_000, # Kept, at most
        max_megapixels:float=25 # Larger pictures are refused
    ): self.place, self.categories, self.max_side, self.max_pictures, self.max_megapixels = place, list(categories), max_side, max_pictures, max_megapixels

    def add(self,
        data, # What `open_image` takes
        category:str, # The right one
        answer:str='' # What was answered
    )->str: # SHA-1 of what was kept
        "Keep a picture. Raises `FeedbackError` and `ImageError`"
        if category not in self.categories: raise FeedbackError('feedback_no_category', category=repr(category[:60]), all=', '.join(self.categories))
        sha1, jpeg = clean(data, self.max_side, self.max_megapixels)
        if len(self.place) >= self.max_pictures: raise FeedbackError('feedback_full')
        self.place.put(category, sha1, jpeg, answer[:60])
        return sha1


def open_feedback(
    settings:Settings|None=None # None: the nearest `settings.ini`
)->Feedback|None: # None if nothing is to be kept
    "Where the settings say"
    s = settings or load_settings()
    f = s.feedback
    if f.store == 'no': return None
    f.folder.mkdir(parents=True, exist_ok=True)
    place = Folder(f.folder) if f.store == 'folder' else Database(os.environ.get('DATABASE_URL') or f'sqlite:///{f.folder}/feedback.db')
    return Feedback(place, s.categories, f.max_side, f.max_pictures, s.serve.max_megapixels)


def gathered(
    settings:Settings|None=None # None: the nearest `settings.ini`
)->Path: # Holds `<category>/<sha1>.jpg`
    "The folder with every correction; those of a database are written into it"
    s = settings or load_settings()
    if s.feedback.store == 'database': open_feedback(s).place.write_folder(s.feedback.folder)
    return s.feedback.folder
