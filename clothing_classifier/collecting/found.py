"""What every source of pictures yields, and the errors and warnings of collecting"""
from dataclasses import dataclass
from pathlib import Path


class CollectError(ValueError):
    "A source without pictures; the message says what to do"


class CollectWarning(UserWarning):
    "Something about the collected pictures that the user should know"


@dataclass(frozen=True)
class Found:
    "A picture that a source offers for a category"
    category: str # category of the settings
    url: str # address; together with the category the picture's identity
    page: str = '' # address of the page that shows it
    query: str = '' # search phrase that found it, or its label in a table
    licence: str = '' # licence, if known
    path: Path|None = None # local file, if there is one
    box: tuple|None = None # left, top, right, bottom in pixels: the part of the file that is the picture; None: all

    @property
    def key(self)->tuple: return self.category, self.url

    @property
    def by_hand(self)->bool: return self.url.startswith('by-hand/')
