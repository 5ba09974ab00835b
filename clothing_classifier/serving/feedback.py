"""Wrongly classified pictures, kept with their right category for the next training if the operator allows it."""
# A picture is decoded and encoded again, so that only what can be seen is kept: no EXIF, no comment. Its name is the
# SHA-1 of the new JPEG. The same picture sent twice is kept once, with the last category.

import importlib
import os
import threading
from datetime import datetime, timezone
from pathlib import Path

from ..files import sha1, write_atomically
from ..images import open_image, thumbnail
from ..settings import Settings, SettingsError, load_settings
from ..texts import VisitorError


class FeedbackError(VisitorError):
    "A picture that is not kept"


def without_metadata(
    data, # anything that `open_image` takes
    max_side:int=1024, # longest side in pixels; larger pictures are shrunk
    max_megapixels:float=25 # larger pictures are refused
)->bytes: # JPEG
    "Only the picture of an image file. Raises `ImageError`"
    return thumbnail(open_image(data, max_megapixels, side=max_side), max_side)


class Folder:
    "A store of pictures as `<category>/<sha1>.jpg`, which `collect` can import"
    _lock = threading.Lock() # two threads may be sent the same picture

    def __init__(self,
        path:str|Path # folder; made when the first picture comes
    ): self.path = Path(path)

    def __len__(self): return sum(1 for _ in self.path.glob('*/*.jpg'))

    def put(self,
        category:str, # right category
        name:str, # SHA-1 of the JPEG
        jpeg:bytes, # picture
        answer:str # answer that was given; a folder does not keep it
    ):
        "Keep a picture; it leaves the category that it was in before"
        file = self.path/category/f'{name}.jpg'
        with self._lock:
            write_atomically(file, jpeg)
            for earlier in self.path.glob(f'*/{name}.jpg'):
                if earlier != file: earlier.unlink(missing_ok=True)


def _import_sqlalchemy():
    try: return importlib.import_module('sqlalchemy')
    except ModuleNotFoundError:
        raise SettingsError("[feedback] store = database needs SQLAlchemy; "
            "pip install 'clothing_classifier[database]', or set it to folder") from None


def _with_driver(url):
    "A URL as SQLAlchemy takes it; hosts like Heroku give `postgres://...`"
    scheme, _, rest = url.partition('://')
    return f'postgresql+psycopg://{rest}' if scheme in ('postgres', 'postgresql') else url


def _table(sa):
    return sa.Table('feedback', sa.MetaData(),
        sa.Column('sha1', sa.String(40), primary_key=True),
        sa.Column('category', sa.String(60), nullable=False),
        sa.Column('answer', sa.String(60)),
        sa.Column('sent_at', sa.DateTime, nullable=False),
        sa.Column('jpeg', sa.LargeBinary, nullable=False))


class Database:
    "A store of pictures in the table `feedback` of any database that SQLAlchemy supports"
    def __init__(self,
        url:str # database, as SQLAlchemy or a host names it
    ):
        self.sa = _import_sqlalchemy()
        self.table = _table(self.sa)
        self.engine = self.sa.create_engine(_with_driver(url), pool_pre_ping=True)
        self.table.metadata.create_all(self.engine)

    def __len__(self):
        count = self.sa.select(self.sa.func.count()).select_from(self.table)
        with self.engine.connect() as connection: return connection.scalar(count)

    def put(self,
        category:str, # right category
        name:str, # SHA-1 of the JPEG
        jpeg:bytes, # picture
        answer:str, # answer that was given
        tries:int=10 # attempts; of several clients that insert the same picture at once, all but one fail
    ):
        "Keep a picture, in place of the row that it had before"
        now = datetime.now(timezone.utc).replace(tzinfo=None)  # noqa: UP017 (Python 3.10 has no `datetime.UTC`)
        row = dict(sha1=name, category=category, answer=answer, jpeg=jpeg, sent_at=now)
        for left in reversed(range(tries)):
            try: return self._replace(row)
            except self.sa.exc.IntegrityError:
                if not left: raise

    def _replace(self, row):
        with self.engine.begin() as connection:
            connection.execute(self.table.delete().where(self.table.c.sha1 == row['sha1']))
            connection.execute(self.table.insert().values(**row))

    def write_folder(self,
        path:str|Path # folder that gets `<category>/<sha1>.jpg`
    )->int: # number of pictures
        "Copy all pictures to a folder, a few at a time"
        folder, count = Folder(path), 0
        with self.engine.connect().execution_options(yield_per=16) as connection:
            for row in connection.execute(self.table.select()):
                folder.put(row.category, row.sha1, row.jpeg, row.answer)
                count += 1
        return count


class Feedback:
    "Checks a picture and its right category, and keeps both"
    def __init__(self,
        store, # `Folder` or `Database`
        categories, # categories that may be chosen, beside `unknown` for none of them
        max_side:int=1024, # longest side in pixels; larger pictures are shrunk
        max_pictures:int=10_000, # pictures that are kept, at most
        max_megapixels:float=25 # larger pictures are refused
    ):
        self.store, self.categories, self.max_pictures = store, [*categories, 'unknown'], max_pictures
        self.max_side, self.max_megapixels = max_side, max_megapixels

    def add(self,
        data, # anything that `open_image` takes
        category:str, # right category; `unknown` for none of them
        answer:str='' # answer that was given
    )->str: # SHA-1 of what was kept
        "Keep a picture. Raises `FeedbackError` and `ImageError`"
        if category not in self.categories:
            all_categories = ', '.join(self.categories)
            raise FeedbackError('feedback_no_category', category=repr(category[:60]), all=all_categories)
        jpeg = without_metadata(data, self.max_side, self.max_megapixels)
        if len(self.store) >= self.max_pictures: raise FeedbackError('feedback_full')
        name = sha1(jpeg)
        self.store.put(category, name, jpeg, answer[:60])
        return name


def _store(feedback):
    "The store that the section `[feedback]` of the settings names"
    if feedback.store == 'folder': return Folder(feedback.folder)
    return Database(os.environ.get('DATABASE_URL') or f'sqlite:///{feedback.folder}/feedback.db')


def open_feedback(
    settings:Settings|None=None # None: the nearest `settings.ini`
)->Feedback|None: # None if `[feedback] store` is `no`
    "The feedback that the settings ask for"
    settings = settings or load_settings()
    feedback = settings.feedback
    if feedback.store == 'no': return None
    feedback.folder.mkdir(parents=True, exist_ok=True)
    return Feedback(_store(feedback), settings.categories, feedback.max_side, feedback.max_pictures,
        settings.serve.max_megapixels)


def gathered(
    settings:Settings|None=None # None: the nearest `settings.ini`
)->Path: # folder of `<category>/<sha1>.jpg`
    "The folder with all corrected pictures; those of a database are copied into it"
    settings = settings or load_settings()
    feedback = settings.feedback
    if feedback.store == 'database': open_feedback(settings).store.write_folder(feedback.folder)
    return feedback.folder
