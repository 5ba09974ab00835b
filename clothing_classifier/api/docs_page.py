"""The page at `/docs`: Swagger UI, whose files come from the package `fastapi_offline` and from no other server"""
# All of its addresses are relative, so that it also works below a prefix that a proxy cuts off.

from pathlib import Path

from fastapi import APIRouter
from fastapi.responses import FileResponse, RedirectResponse, Response
from starlette.staticfiles import StaticFiles

_static = Path(__file__).with_name('static')

policy = '; '.join([
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' blob: data:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
])

headers = {
    'Content-Security-Policy': policy,
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'no-referrer',
}

router = APIRouter(include_in_schema=False)


@router.get('/')
async def to_docs(): return RedirectResponse('docs')


@router.get('/docs')
async def docs(): return FileResponse(_static/'docs.html', headers=headers)


# Browsers ask for it where a page is JSON
@router.get('/favicon.ico')
async def favicon(): return Response(status_code=204)


files = StaticFiles(directory=_static, packages=[('fastapi_offline', 'static')])
