"""`serve`: the page and the API"""
import os
import socket
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

from ..settings import SettingsError, load_settings, settings_text
from .base import SERVING, command, option


def notebook(
    settings, # of a project
    name:str # like `app.ipynb`
)->Path:
    "A notebook of the project. Raises `SettingsError`"
    file = settings.file.parent/'nbs'/name
    if not file.is_file():
        raise SettingsError(f"{file}: there is no such notebook; clothing-classifier new FOLDER makes a project")
    return file


def _weights(settings):
    "The weights of the settings, a path absolute"
    weights = settings.train.weights
    if weights in ('imagenet','none'): return weights
    return str((settings.file.parent/Path(weights).expanduser()).resolve())


@contextmanager
def settings_for_notebooks(settings):
    "Meanwhile the processes of notebooks read these settings, with the options that were given"
    with tempfile.TemporaryDirectory(prefix='clothing-classifier-') as folder:
        file = settings.file
        if load_settings(file) != settings:
            file = Path(folder)/'settings.ini'
            moved = settings.model_copy(update=dict(file=file))
            file.write_text(settings_text(moved, _weights(settings)), encoding='utf-8')
        os.environ['CLOTHING_CLASSIFIER_SETTINGS'] = str(file)
        yield


def _check_address(ip, port):
    "Raise `SettingsError` if nobody can listen at an address and port"
    with socket.socket(socket.AF_INET6 if ':' in ip else socket.AF_INET) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try: s.bind((ip, port))
        except OSError as e:
            raise SettingsError(f"{ip}:{port} cannot be listened at ({e.strerror}); "
                "stop what is there, or name another --port") from None


def _serve_page(settings, browser):
    "Serve the page that classifies"
    app_notebook = notebook(settings, 'app.ipynb')
    from ..page.server import serve_page
    with settings_for_notebooks(settings): serve_page(settings, app_notebook, browser)


def serve_clean_page(settings):
    "Serve the page on which labels are mended, to this machine alone"
    file = notebook(settings, 'clean.ipynb')
    from voila.app import Voila

    from ..page.template import offered_template
    from ..page.voila_server import voila_config
    options = [str(file), f'--port={settings.serve.port}', '--Voila.ip=127.0.0.1']
    print(f'The page is at http://127.0.0.1:{settings.serve.port}/', file=sys.stderr, flush=True)
    with offered_template(), settings_for_notebooks(settings):
        Voila.launch_instance(options, config=voila_config(settings, ours=False))


@command('serve: port ip title language memory_mb embed model', advanced=['serve', 'links', 'feedback', 'api'],
    example='--port 8080 --browser', project=False, rich_help_panel=SERVING)
def serve(settings,
    api:bool=option('the REST API instead of the page', '--api', default=False),
    browser:bool=option('open the page in a browser', '--browser', '-b', default=False)
):
    "Serve the page, or the API."
    _check_address(settings.serve.ip, settings.serve.port)
    if not api: return _serve_page(settings, browser)
    from ..api.app import serve_api
    serve_api(settings)
