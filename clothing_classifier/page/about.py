"""What the page shows before the first picture"""

import base64
from pathlib import Path

from clothing_classifier import __version__

from ..files import shipped
from ..settings import Settings
from ..texts import Texts, languages

MODULES = ('dom', 'address', 'language', 'requests', 'store', 'correction', 'card', 'dialog', 'table', 'csv', 'filter',
    'picture', 'intake', 'results', 'snippets', 'foot', 'visit', 'page')
STYLES = 'page.css', 'foot.css'


def page_examples(
    categories # those that the network knows
)->list: # (category, JPEG)
    "The photos that the page offers, if they are installed"
    folder = shipped('examples/photos')
    if folder is None: return []
    names = map(Path, (folder/'best.txt').read_text().split())
    return [(name.parent.name, (folder/name).read_bytes()) for name in names if name.parent.name in categories]


def described(
    settings:Settings, # links, feedback
    categories, # those that the network knows
    examples:list, # result of `page_examples`
    heat_maps:bool=True # whether the network can say where it looked
)->dict:
    "What the page can do, and what it tells apart"
    return dict(
        categories=list(categories),
        heat_maps=heat_maps,
        links=settings.links.follow,
        choices=[*settings.categories, 'unknown'] if settings.feedback.store != 'no' else [],
        examples=[category for category,_ in examples])


def _data_url(jpeg): return f'data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}'


def _words(language, title, sentence, categories):
    "What the page says in a language"
    texts = Texts(language)
    return dict(
        name=languages[language],
        title=texts.title(title),
        sentence=sentence or texts('tells', labels=texts.list(categories)),
        texts=texts.texts)


def page_about(
    settings:Settings, # title, language, largest upload
    about:dict, # result of `described`
    examples:list, # JPEGs
    title:str|None=None, # heading; None: the one in the settings
    sentence:str|None=None, # text below the heading; None: the categories, in the language of the visitor
    api:bool=False # whether the REST API is beside the page
)->dict:
    "All that the browser needs to show the page"
    serve = settings.serve
    shown = title or serve.title, sentence, about['categories']
    return about | dict(
        languages={language: _words(language, *shown) for language in languages},
        language=serve.language,
        examples=list(zip(about['examples'], map(_data_url, examples), strict=True)),
        max_mb=serve.max_upload_mb,
        api=api,
        version=__version__)
