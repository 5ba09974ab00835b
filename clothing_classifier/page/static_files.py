"""What the browser runs, from the files in `static/`"""

import re
from pathlib import Path

STATIC = Path(__file__).with_name('static')


def static_text(
    name:str # file in `static/`
)->str:
    "The text of a static file"
    return (STATIC/name).read_text(encoding='utf-8')


def join_modules(
    *names:str # JavaScript modules in `static/`, without `.js`
)->str:
    "Several modules as one, so that the browser asks for nothing else"
    text = '\n'.join(static_text(f'{name}.js') for name in names)
    without_imports = re.sub(r'^import .*\n', '', text, flags=re.M)
    return re.sub(r'^export (?!default)', '', without_imports, flags=re.M)
