"""The page at `/`: send a photo to the API and see its answer"""

import base64
import hashlib
from pathlib import Path

_static = Path(__file__).with_name('static')


def _read(name): return (_static/name).read_text(encoding='utf-8')


def _hash(text):
    "A source expression of a content security policy"
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


_style, _script = _read('try.css'), _read('try.js')

page = (_read('try.html')
    .replace('<link rel="stylesheet" href="try.css">', f'<style>{_style}</style>')
    .replace('<script src="try.js"></script>', f'<script>{_script}</script>'))

policy = '; '.join([
    "default-src 'none'",
    f"style-src {_hash(_style)}",
    f"script-src {_hash(_script)}",
    "img-src blob: data:",
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
