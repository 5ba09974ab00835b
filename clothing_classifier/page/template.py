"""The HTML around the page's widget, from the files in `static/`"""

import shutil
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader

from ..settings import Settings
from ..texts import Texts
from .static_files import STATIC, join_modules, static_text


def template_values(
    settings:Settings # title and language
)->dict: # name in the templates -> text
    "The values that the templates show"
    texts = Texts(settings.serve.language)
    return dict(
        title=texts.title(settings.serve.title),
        language=texts.language,
        loading=texts('loading'),
        full=texts('full'),
        icon='data:image/svg+xml,' + quote(static_text('icon.svg')),
        style=static_text('loading.css'),
        script=join_modules('kernel_channel', 'start'))


def write_template(
    folder:str|Path # folder of Jupyter's data, for `JUPYTER_PATH`
)->Path: # `folder`
    "Install Voila's template `clothing`"
    shutil.copytree(STATIC, Path(folder)/'voila'/'templates'/'clothing', dirs_exist_ok=True)
    return Path(folder)


def full_page(
    settings:Settings # title and language
)->str: # HTML
    "The page of a visitor too many; it tries again every five seconds"
    template = Environment(loader=FileSystemLoader(STATIC)).get_template('full.html.j2')
    return template.render(page=template_values(settings))
