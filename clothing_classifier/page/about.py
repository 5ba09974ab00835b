"""What the page shows before the first picture"""

import base64
from pathlib import Path

from ..files import shipped
from ..settings import Settings
from ..texts import Texts

MODULES = 'dom', 'requests', 'correction', 'card', 'table', 'picture', 'intake', 'results', 'visit', 'page'


def page_examples(
    categories # those that the network knows
)->list: # (category, JPEG)
    "The photos that the page offers, if they are installed"
    folder = shipped('examples/photos')
    if folder is None: return []
    names = map(Path, (folder/'best.txt').read_text().split())
    return [(name.parent.name, (folder/name).read_bytes()) for name in names if name.parent.name in categories]


def described(
    settings:Settings, # language, links, feedback
    categories, # those that the network knows
    examples:list, # result of `page_examples`
    heat_maps:bool=True # whether the network can say where it looked
)->dict:
    "What the page can do, and what it tells apart"
    texts = Texts(settings.serve.language)
    return dict(
        categories={name: texts.category(name) for name in categories},
        heat_maps=heat_maps,
        links=settings.links.follow,
        choices=list(settings.categories) if settings.feedback.store != 'no' else [],
        examples=[category for category,_ in examples])


def _data_url(jpeg): return f'data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}'


def page_about(
    settings:Settings, # title, language, largest upload
    about:dict, # result of `described`
    examples:list, # JPEGs
    title:str|None=None, # heading; None: the one in the settings
    sentence:str|None=None # text below the heading; None: the categories that it tells apart
)->dict:
    "All that the browser needs to show the page"
    serve, texts = settings.serve, Texts(settings.serve.language)
    return about | dict(
        title=title or serve.title,
        sentence=sentence or texts('tells', labels=texts.list(about['categories'])),
        examples=list(zip(about['examples'], map(_data_url, examples), strict=True)),
        max_mb=serve.max_upload_mb,
        texts=texts.texts,
        language=serve.language)
