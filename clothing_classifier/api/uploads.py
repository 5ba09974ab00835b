"""The pictures that a request brings: a form with files, the bytes of one picture, or a link"""

from python_multipart.exceptions import FormParserError
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request

from .problems import Problem


def content_type(request:Request)->str:
    "The media type of a request, without parameters"
    return request.headers.get('content-type', '').split(';')[0].strip().lower()


async def read_form(
    request:Request, # request with a form
    max_files:int # files in the form, at most
):
    "The form of a request. Raises `Problem`"
    try: return await request.form(max_files=max_files, max_fields=20, max_part_size=10_000)
    except (HTTPException, FormParserError) as e:
        reason = str(getattr(e, 'detail', e)).rstrip('.')
        detail = f"This form cannot be read: {reason}. Send up to {max_files} files as multipart/form-data."
        raise Problem(400, detail) from None


async def _files(request, max_files):
    form = await read_form(request, max_files)
    files = [value for _, value in form.multi_items() if isinstance(value, UploadFile)]
    if not files: raise Problem(422, "There is no file in this form. Send pictures in fields of any name.")
    return [(file.filename or '', await file.read()) for file in files]


def _url(body):
    "The link in a JSON body. Raises `Problem`"
    if not isinstance(body, dict) or set(body) != {'url'} or not isinstance(body['url'], str):
        raise Problem(422, 'Send an object with one key, "url", and a text as its value: {"url": "https://…"}.')
    return body['url']


async def _linked(request, fetcher):
    try: url = _url(await request.json())
    except (ValueError, RecursionError):
        raise Problem(400, 'The body is not JSON. Send {"url": "https://…"}.') from None
    if fetcher is None: raise Problem(403, "This server does not follow links. Send the picture itself.")
    return [(url, await fetcher.fetch_async(url))]


async def uploaded_pictures(
    request:Request, # request to `/v1/predict`
    fetcher, # `SafeFetcher`; None: links are refused
    max_files:int # files in a form, at most
)->list: # (name, content)
    "The pictures that a request brings. Raises `Problem` and `LinkError`"
    kind = content_type(request)
    if kind == 'multipart/form-data': return await _files(request, max_files)
    if kind == 'application/json': return await _linked(request, fetcher)
    if kind.startswith('image/') or kind == 'application/octet-stream': return [('', await request.body())]
    raise Problem(415, "Send files as multipart/form-data, a picture as image/*, or a link as application/json.")
