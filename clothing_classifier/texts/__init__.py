"""Texts for visitors, one JSON file a language; errors that a visitor reads are named by the key of their text"""
import json
from functools import cache
from pathlib import Path

languages = dict(en='English', lt='Lietuvių')


@cache
def _texts(language): return json.loads(Path(__file__).with_name(f'{language}.json').read_text(encoding='utf-8'))


class Texts:
    "The texts of one language"
    def __init__(self,
        language:str='en' # one of `languages`
    ): self.language, self.texts = language, _texts('en') | _texts(language)

    def __call__(self,
        key:str, # name of a text
        **values # fill its placeholders
    )->str:
        "A text with its placeholders filled"
        return self.texts[key].format(**{'send': self.texts['send']} | values)

    def category(self,
        name:str # as the settings have it
    )->str: # as a visitor reads it
        "The name of a category in this language"
        return self.texts.get(f'category_{name}', name)

    def title(self,
        title:str # in the settings
    )->str: # heading of the page
        "A title as it is written; the one that the settings come with, in this language"
        return self('title') if title == _texts('en')['title'] else title

    def list(self,
        names # categories
    )->str: # "shirt, jeans and socks"
        "Categories as a sentence lists them"
        *rest, last = map(self.category, names)
        return f"{', '.join(rest)} {self('and')} {last}" if rest else last

    def error(self,
        e:'VisitorError' # raised anywhere
    )->str:
        "The text of an error in this language"
        return self(e.key, **e.values)


class VisitorError(ValueError):
    "A mistake that a visitor can mend; its text says how"
    def __init__(self,
        key:str, # name of its text
        **values # fill the placeholders of the text
    ):
        self.key, self.values = key, values
        super().__init__(Texts('en')(key, **values))
