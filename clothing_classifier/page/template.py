"""The page around the widget: there at once, and nothing in it that is not needed"""

import json
from html import escape
from pathlib import Path

from ..settings import Settings
from ..texts import Texts

look = """
body { margin:0; background:#f4f6f9; color:#1a2130; font:16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; color-scheme:light dark; }
.wait { max-width:1060px; margin:0 auto; padding:clamp(18px, 4vw, 40px) 16px; box-sizing:border-box; } .wait h1 { font-size:clamp(28px, 5.2vw, 42px); line-height:1.12; letter-spacing:-.025em; margin:0 0 8px; font-weight:750; } .wait p { margin:0; color:#566074; }
.wait div { height:300px; margin-top:22px; border:2px dashed #d9dee7; border-radius:20px; background:#fff; animation:wait 1.4s ease-in-out infinite alternate; } @keyframes wait { to { opacity:.55; } }
@media (prefers-color-scheme:dark) { body { background:#11151c; color:#e9edf4; } .wait p { color:#a9b3c3; } .wait div { background:#1b212c; border-color:#343d4d; } }
@media (prefers-reduced-motion:reduce) { .wait div { animation:none; } }
"""


def waiting(
    settings:Settings, # Title and language
    key:str # Of a text in `Texts`
)->str: # HTML
    "The title, a line of text, and the place where the page will be"
    return f'<div id="loading" class="wait"><h1>{escape(settings.serve.title)}</h1><p role="status">{escape(Texts(settings.serve.language)(key))}</p><div></div></div>'


_kernel = r"""
const text = new TextEncoder(), read = new TextDecoder();

function pack(channel, parts, buffers) {
  const all = [text.encode(channel), ...parts.map(o => text.encode(JSON.stringify(o))), ...buffers.map(o => new Uint8Array(o.buffer || o, o.byteOffset || 0, o.byteLength))], head = new DataView(new ArrayBuffer(8 * (all.length + 2)));
  let at = head.byteLength; head.setBigUint64(0, BigInt(all.length + 1), true);
  all.forEach((o, i) => { head.setBigUint64(8 * (i + 1), BigInt(at), true); at += o.byteLength });
  head.setBigUint64(8 * (all.length + 1), BigInt(at), true);
  return new Blob([head, ...all]);
}

function unpack(data) {
  const view = new DataView(data), n = Number(view.getBigUint64(0, true)), at = Array.from({ length: n }, (_, i) => Number(view.getBigUint64(8 * (i + 1), true)));
  const [, header, , , content, ...buffers] = at.slice(0, -1).map((o, i) => data.slice(o, at[i + 1]));
  return { type: JSON.parse(read.decode(header)).msg_type, content: JSON.parse(read.decode(content)), buffers: buffers.map(o => new DataView(o)) };
}

class Kernel {
  constructor(base, id, heard) { Object.assign(this, { base, id, heard, session: crypto.randomUUID?.() || String(Math.random()), unsent: [], tries: 0 }); this.open() }

  open() {
    this.socket = new WebSocket(`${this.base.replace(/^http/, 'ws')}api/kernels/${this.id}/channels?session_id=${this.session}`, 'v1.kernel.websocket.jupyter.org');
    this.socket.binaryType = 'arraybuffer';
    this.socket.onopen = () => { this.tries = 0; for (const o of this.unsent.splice(0)) this.socket.send(o) };
    this.socket.onmessage = ev => { const m = unpack(ev.data); if (m.type === 'comm_msg') this.heard(m) };
    this.socket.onclose = () => { if (!this.closed) setTimeout(() => this.again(), 300 * 2 ** this.tries++) };
  }

  async again() {
    const there = await fetch(`${this.base}api/kernels/${this.id}`).then(r => r.ok || (r.status === 404 ? false : null), () => null);
    if (there) this.open(); else if (there === false || this.tries > 6) { this.closed = true; window.dispatchEvent(new Event('cc-lost')) } else setTimeout(() => this.again(), 300 * 2 ** this.tries++);
  }

  tell(comm, data, buffers = []) {
    const header = { msg_id: `${this.session}-${this.sent = (this.sent || 0) + 1}`, msg_type: 'comm_msg', session: this.session, username: '', date: new Date().toISOString(), version: '5.3' };
    const m = pack('shell', [header, {}, {}, { comm_id: comm, data }], buffers);
    if (this.socket.readyState === 1) this.socket.send(m); else this.unsent.push(m);
  }

  end() {
    const form = new FormData(); form.set('_xsrf', document.cookie.match(/(?:^|; )_xsrf=([^;]*)/)?.[1] || '');
    this.closed = true; navigator.sendBeacon(`${this.base}voila/api/shutdown/${this.id}`, form);
  }
}
"""


_widget = r"""
const whole = () => { const s = document.createElement('script'); s.src = document.body.dataset.whole; document.body.append(s) }; // Voila's own scripts

async function show(state, el, line, comm) {
  const hear = {}, model = { get: k => state[k], send: (content, _, buffers) => line.tell(comm, { method: 'custom', content }, buffers), on: (k, f) => (hear[k] ??= []).push(f) };
  line.heard = m => { if (m.content.comm_id === comm && m.content.data.method === 'custom') for (const f of hear['msg:custom'] || []) f(m.content.data.content, m.buffers) };
  const style = document.createElement('style'); style.textContent = state._css; document.head.append(style);
  const url = URL.createObjectURL(new Blob([state._esm], { type: 'text/javascript' })), module = await import(url);
  URL.revokeObjectURL(url); module.default.render({ model, el });
  document.getElementById('rendered_cells').style.display = '';
}

function begin() {
  const { baseUrl, kernelId } = JSON.parse(document.getElementById('jupyter-config-data').textContent), view = 'application/vnd.jupyter.widget-view+json';
  const outputs = [...document.querySelectorAll('script[type="application/vnd.voila.cell-output+json"]')].map(el => ({ el, data: JSON.parse(el.textContent).data || {} }));
  if (outputs.length !== 1 || !outputs[0].data[view]) return whole();
  const { el, data } = outputs[0], comm = data[view].model_id, line = new Kernel(new URL(baseUrl, location.href).href, kernelId, m => {
    const { comm_id, data: { method, state } } = m.content;
    if (comm_id !== comm || method !== 'update' || state._model_module === undefined) return;
    if (state._model_module !== 'anywidget') { line.closed = true; line.socket.close(); return whole() }
    show(state, el.parentElement, line, comm);
  });
  line.tell(comm, { method: 'request_state' });
  window.addEventListener('pagehide', ev => { if (!ev.persisted) line.end() });
}
begin();
"""


_policy = "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; object-src 'none'; base-uri 'none'; form-action 'none'"


_icon = ("data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'%3E%3Crect width='32' height='32' rx='8' fill='%231d5fd0'/%3E"
    "%3Cpath d='M10 8l4 2h4l4-2 5 6-3 2-1-1v10H9V15l-1 1-3-2z' fill='%23fff'/%3E%3C/svg%3E")


_template = r"""{%- extends 'voila/templates/lab/index.html.j2' -%}
{%- block html_head -%}
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><meta http-equiv="Content-Security-Policy" content="POLICY">
<title>{% raw %}TITLE{% endraw %}</title><link rel="icon" href="ICON"><style>LOOK</style>
{%- endblock html_head -%}
{%- block body_header -%}
<body data-base-url="{{ resources.base_url }}voila/" data-voila="voila" data-whole="{{ page_config['fullStaticUrl'] | e }}/{{ main_js }}" data-jp-theme-light="true" data-jp-theme-name="JupyterLab Light">
{% raw %}WAITING{% endraw %}
<script>
  window.voila_process = window.voila_heartbeat = window.update_loading_text = () => {};
  window.display_cells = window.voila_finish = () => { document.getElementById('loading')?.remove(); document.getElementById('rendered_cells').style.display = ''; };
</script>
<div id="rendered_cells" style="display:none"><div>
{%- endblock body_header -%}
{%- block body_footer -%}
</div></div>
<script type="module">{% raw %}SCRIPT{% endraw %}</script>
</body>
{%- endblock body_footer -%}
"""


def write_template(
    settings:Settings, # Title and language
    folder:str|Path # Becomes a folder of Jupyter's data
)->Path: # `folder`
    "The template `clothing`, for Voila"
    to, text = Path(folder)/'voila'/'templates'/'clothing', _template
    to.mkdir(parents=True, exist_ok=True)
    parts = dict(POLICY=_policy, ICON=_icon, LOOK=look, SCRIPT=_kernel + _widget, TITLE=escape(settings.serve.title), WAITING=waiting(settings, 'loading'))
    for k,v in parts.items(): text = text.replace(k, v.replace('{%', '{ %'))
    (to/'index.html.j2').write_text(text, encoding='utf-8')
    (to/'conf.json').write_text(json.dumps(dict(base_template='lab')))
    return Path(folder)


def full_page(settings)->str:
    "For those who don't fit in; it tries again every five seconds"
    return (f'<!DOCTYPE html><html lang="{settings.serve.language}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="refresh" content="5"><title>{escape(settings.serve.title)}</title><style>{look}</style></head><body><main>{waiting(settings, "full")}</main></body></html>')
