"""Drop a photo on it and see what the API answers: a client of forty lines that needs nothing else"""

import base64
import hashlib

_style = """
:root { color-scheme:light dark; --ink:light-dark(#1d2433,#e8ebf1); --soft:light-dark(#5b6577,#a5afbf); --line:light-dark(#c9d0db,#3d4656); --card:light-dark(#fff,#1d232e); --bar:light-dark(#2f6fdb,#6ea3ff); --bad:light-dark(#b3261e,#ff9a92); }
body { margin:0; background:light-dark(#f5f6f8,#12161d); color:var(--ink); font:16px/1.5 system-ui, sans-serif; }
main { max-width:720px; margin:0 auto; padding:24px 16px 64px; } h1 { font-size:28px; line-height:1.2; margin:0 0 12px; } a { color:var(--bar); }
label.drop { display:grid; place-items:center; min-height:160px; padding:16px; border:2px dashed var(--line); border-radius:16px; background:var(--card); text-align:center; cursor:pointer; }
label.drop.over, label.drop:focus-within { border-color:var(--bar); } label.drop input { margin-top:10px; max-width:100%; }
form { display:flex; flex-wrap:wrap; gap:8px; margin:12px 0; } form label { flex:1 1 220px; font-size:14px; color:var(--soft); }
input[type=url], input[type=password] { box-sizing:border-box; width:100%; padding:9px 10px; border:1px solid var(--line); border-radius:8px; background:var(--card); color:var(--ink); font:inherit; }
button { align-self:end; padding:10px 18px; border:0; border-radius:8px; background:#1f5fcc; color:#fff; font:inherit; font-weight:600; cursor:pointer; }
article { display:grid; grid-template-columns:96px 1fr; gap:16px; margin:12px 0; padding:14px; border:1px solid var(--line); border-radius:14px; background:var(--card); }
article img { width:96px; height:96px; object-fit:contain; } article h2 { margin:0; font-size:20px; } article p { margin:0; color:var(--soft); overflow-wrap:anywhere; } article .bad { color:var(--bad); font-size:16px; font-weight:500; }
.row { display:grid; grid-template-columns:100px 1fr 60px; gap:8px; align-items:center; font-size:14px; } progress { width:100%; height:8px; accent-color:var(--bar); }
"""


_script = """
const $ = s => document.querySelector(s), add = (to, tag, text, cls) => { const o = document.createElement(tag); if (text) o.textContent = text; if (cls) o.className = cls; to.append(o); return o; };
const card = (name, src) => { const o = document.createElement('article'), p = add(o, 'div'), b = add(o, 'div'); if (src) { const i = add(p, 'img'); i.alt = ''; i.onerror = () => i.remove(); i.src = src; } add(b, 'p', name); $('#answers').prepend(o); return b; };
function show(b, r) {
  add(b, 'h2', r.error || (r.known ? r.category : 'probably none of these'), r.error ? 'bad' : '');
  for (const [c, p] of Object.entries(r.probabilities || {})) { const o = add(b, 'div', '', 'row'); add(o, 'span', c); const t = add(o, 'progress'); t.max = 1; t.value = p; t.setAttribute('aria-label', c); add(o, 'span', (100*p).toFixed(1) + ' %'); }
}
async function ask(name, src, body, type) {
  const b = card(name, src), h = {}, token = $('#token').value;
  if (type) h['Content-Type'] = type;
  if (token) h.Authorization = 'Bearer ' + token;
  $('#status').textContent = 'Looking at ' + name + ' …';
  try {
    const r = await fetch('v1/predict', {method: 'POST', headers: h, body}), o = await r.json();
    show(b, r.ok ? o.results[0] : {error: o.detail});
  } catch (e) { show(b, {error: 'The server cannot be reached. Try again.'}); }
  $('#status').textContent = '';
}
async function files(fs) { for (const f of fs) { const form = new FormData(); form.append('files', f); await ask(f.name, URL.createObjectURL(f), form); } }
const drop = $('.drop');
for (const e of ['dragover', 'dragleave', 'drop']) drop.addEventListener(e, v => { v.preventDefault(); drop.classList.toggle('over', e == 'dragover'); });
drop.addEventListener('drop', v => files(v.dataTransfer.files));
$('#file').addEventListener('change', v => files(v.target.files));
addEventListener('paste', v => files(v.clipboardData.files));
$('form').addEventListener('submit', v => { v.preventDefault(); const u = $('#url').value; if (u) ask(u, '', JSON.stringify({url: u}), 'application/json'); });
"""


page = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>Try the API</title><link rel="icon" href="data:,"><style>{_style}</style></head>
<body><main><h1>Try the API</h1>
<label class="drop"><span>Drop photos here, paste one, or choose:<br><input id="file" type="file" accept="image/*,.heic,.heif,.avif" multiple></span></label>
<form><label>Or the address of a picture<input id="url" type="url" placeholder="https://"></label><label>Token, if this server wants one<input id="token" type="password" autocomplete="off"></label><button>Classify the link</button></form>
<p id="status" role="status"></p><section id="answers" aria-live="polite"></section>
<p>For programs: <a href="openapi.json">openapi.json</a></p></main><script>{_script}</script></body></html>"""


def _hash(o): return f"'sha256-{base64.b64encode(hashlib.sha256(o.encode()).digest()).decode()}'"


policy = f"default-src 'none'; style-src {_hash(_style)}; script-src {_hash(_script)}; img-src blob: data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
