"""The HTML around the page's widget, from the files in `static/`"""

import json
import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader

from ..settings import Settings
from ..texts import Texts
from .about import MODULES, STYLES, described, page_about, page_examples
from .static_files import STATIC, join_modules, static_text

SCRIPTS = *MODULES, 'kernel_channel', 'page_model', 'start'


def template_values(
    settings:Settings # title and language
)->dict: # name in the templates -> text
    "The values that the templates show"
    texts = Texts(settings.serve.language)
    return dict(
        title=texts.title(settings.serve.title),
        language=texts.language,
        description=texts('tells', labels=texts.list(sorted(settings.categories))),
        loading=texts('loading'),
        noscript=texts('noscript'),
        icon='data:image/svg+xml,' + quote(static_text('icon.svg')),
        style=static_text('loading.css'))


def write_template(
    folder:str|Path # folder of Jupyter's data, for `JUPYTER_PATH`
)->Path: # `folder`
    "Install Voila's template `clothing`"
    shutil.copytree(STATIC, Path(folder)/'voila'/'templates'/'clothing', dirs_exist_ok=True)
    return Path(folder)


@contextmanager
def offered_template():
    "Voila finds the template `clothing` while the block runs"
    with tempfile.TemporaryDirectory(prefix='clothing-classifier-') as folder:
        paths = [str(write_template(folder)), os.environ.get('JUPYTER_PATH')]
        os.environ['JUPYTER_PATH'] = os.pathsep.join(filter(None, paths))
        yield


def page_html(
    settings:Settings # categories, title, language
)->str: # HTML
    "The page before it has a kernel"
    template = Environment(loader=FileSystemLoader(STATIC)).get_template('page.html.j2')
    categories = sorted(settings.categories) # as the network has them
    examples = page_examples(categories)
    jpegs = [jpeg for _,jpeg in examples]
    about = page_about(settings, described(settings, categories, examples), jpegs, api=True)
    return template.render(
        page=template_values(settings) | dict(style=''.join(map(static_text, STYLES))),
        about=json.dumps(about).replace('<', '\\u003c'),
        script=join_modules(*SCRIPTS))
