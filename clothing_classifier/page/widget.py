"""The half of the page that runs in the visitor's browser: take pictures in, send them off, show what comes back"""

import anywidget
import traitlets

_css = """
.cc { --ink:#1a2130; --soft:#566074; --line:#d9dee7; --card:#fff; --page:#f4f6f9; --main:#1d5fd0; --main-ink:#fff; --hover:#174ea6; --tint:#eaf1fd; --track:#e6ebf2; --bad:#b3261e; --bad-tint:#fdf0ef; --warn:#855300; --ok:#1b7a43;
  color:var(--ink); background:var(--page); font:16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; container-type:inline-size; min-height:100vh; -webkit-font-smoothing:antialiased; }
body[data-voila]:has(.cc) { background:#f4f6f9 !important; margin:0; padding:0 !important; color-scheme:light dark; }
@media (prefers-color-scheme:dark) { .cc { --ink:#e9edf4; --soft:#a9b3c3; --line:#343d4d; --card:#1b212c; --page:#11151c; --main:#7fb0ff; --main-ink:#0b1526; --hover:#a5c8ff; --tint:#1c2940; --track:#2a3342; --bad:#ff9d95; --bad-tint:#2c1a1b; --warn:#f2c46d; --ok:#69d69a; }
  body[data-voila]:has(.cc) { background:#11151c !important; } }
body[data-voila] :has(.cc) { position:static !important; contain:none !important; width:auto !important; height:auto !important; overflow:visible !important; background:transparent !important; padding:0 !important; margin:0 !important; }
.cc * { box-sizing:border-box; } .cc [hidden] { display:none !important; } .cc-page { max-width:1060px; margin:0 auto; padding:clamp(18px, 4cqw, 40px) 16px 72px; }
.cc h1 { font-size:clamp(28px, 5.2cqw, 42px); line-height:1.12; letter-spacing:-.025em; margin:0 0 8px; color:var(--ink); font-weight:750; } .cc h2 { font-size:20px; margin:0; letter-spacing:-.01em; color:var(--ink); }
.cc p { margin:0; color:var(--soft); max-width:68ch; } .cc-quiet { color:var(--soft); font-size:14px; }
.cc-hidden { position:absolute !important; width:1px !important; height:1px !important; opacity:0; overflow:hidden; clip-path:inset(50%); white-space:nowrap; }
.cc button, .cc select, .cc-url, .cc-button { font:inherit; min-height:40px; padding:0 14px; color:var(--ink); background:var(--card); border:1px solid var(--line); border-radius:10px; }
.cc button, .cc-button { cursor:pointer; display:inline-flex; align-items:center; justify-content:center; gap:8px; font-weight:550; transition:background .12s, border-color .12s; } .cc button:hover:enabled, .cc-button:hover { border-color:var(--main); background:var(--tint); }
.cc button:disabled { opacity:.5; cursor:default; } .cc :focus-visible, .cc-button:focus-within { outline:3px solid var(--main); outline-offset:2px; }
.cc-button.cc-main, .cc button.cc-main { min-height:52px; padding:0 26px; font-size:17px; font-weight:650; color:var(--main-ink); background:var(--main); border-color:var(--main); border-radius:13px; box-shadow:0 1px 2px rgb(0 0 0 / .16); } .cc-button.cc-main:hover, .cc button.cc-main:hover:enabled { background:var(--hover); border-color:var(--hover); }
.cc-drop { grid-template-columns:minmax(0, 1fr); margin:22px 0 0; padding:clamp(22px, 4cqw, 38px) 18px; display:grid; justify-items:center; gap:12px; text-align:center; background:var(--card); border:2px dashed var(--line); border-radius:20px; transition:border-color .12s, background .12s; } .cc-drop.cc-over { border-color:var(--main); border-style:solid; background:var(--tint); }
.cc-buttons { display:flex; flex-wrap:wrap; gap:12px; justify-content:center; } .cc-button.cc-camera, .cc-touch .cc-desk { display:none; } .cc-touch .cc-camera { display:inline-flex; }
.cc-link { display:flex; gap:8px; width:min(100%, 560px); margin-top:8px; } .cc-url { flex:1; min-width:0; } .cc-url::placeholder { color:var(--soft); opacity:1; }
.cc-try { margin:18px 0 0; } .cc-strip { display:flex; gap:10px; overflow-x:auto; padding:8px 4px 10px; margin:0 -4px; scrollbar-width:thin; } .cc-strip button { flex:none; width:84px; height:84px; padding:0; overflow:hidden; border-radius:14px; background:#fff; } .cc-strip img { width:100%; height:100%; object-fit:cover; }
.cc-now { display:flex; align-items:center; gap:12px; min-height:44px; margin:14px 0 6px; flex-wrap:wrap; } .cc-status { color:var(--soft); flex:0 1 auto; overflow-wrap:anywhere; } .cc-now progress { flex:1 1 120px; max-width:260px; height:8px; accent-color:var(--main); }
.cc-busy::before { content:""; display:inline-block; width:14px; height:14px; margin-right:9px; vertical-align:-2px; border:2px solid var(--line); border-top-color:var(--main); border-radius:50%; animation:cc-turn .8s linear infinite; } @keyframes cc-turn { to { transform:rotate(360deg); } }
.cc-bar { display:flex; flex-wrap:wrap; gap:10px; align-items:center; margin:6px 0 14px; } .cc-bar h2 { margin-right:auto; } .cc-both { display:inline-flex; } .cc-both button:first-child { border-radius:10px 0 0 10px; } .cc-both button:last-child { border-radius:0 10px 10px 0; margin-left:-1px; } .cc button[aria-pressed=true] { color:var(--main); border-color:var(--main); background:var(--tint); z-index:1; }
.cc-cards { display:grid; grid-template-columns:repeat(auto-fill, minmax(min(100%, 460px), 1fr)); gap:16px; align-items:start; }
.cc-card { display:grid; grid-template-columns:minmax(96px, 168px) 1fr; gap:18px; padding:16px; border:1px solid var(--line); border-radius:18px; background:var(--card); box-shadow:0 1px 3px rgb(20 30 50 / .05); animation:cc-in .22s ease-out; } @keyframes cc-in { from { opacity:0; transform:translateY(6px); } }
.cc-pic { position:relative; aspect-ratio:1; border-radius:12px; overflow:hidden; background:var(--page); display:grid; place-items:center; color:var(--soft); font-size:34px; align-self:start; } .cc-pic img { position:absolute; inset:0; width:100%; height:100%; object-fit:contain; background:var(--page); }
.cc-body { min-width:0; } .cc h3.cc-name { margin:0; font-size:14px; line-height:1.4; font-weight:500; color:var(--soft); overflow:hidden; text-overflow:ellipsis; white-space:nowrap; } .cc-answer { margin:1px 0 10px; font-size:25px; font-weight:720; line-height:1.2; letter-spacing:-.015em; overflow-wrap:anywhere; } .cc-answer small { display:inline-block; font-size:15px; font-weight:500; letter-spacing:0; color:var(--soft); }
.cc-unsure { color:var(--warn); } .cc-error { border-color:var(--bad); background:var(--bad-tint); } .cc-error .cc-answer { font-size:16px; line-height:1.45; font-weight:550; letter-spacing:0; color:var(--bad); margin:4px 0 0; }
.cc-row { display:grid; grid-template-columns:minmax(72px, 108px) 1fr 58px; gap:10px; align-items:center; margin:4px 0; font-size:15px; } .cc-row span:first-child { overflow-wrap:anywhere; line-height:1.25; } .cc-track { height:9px; border-radius:5px; background:var(--track); overflow:hidden; } .cc-fill { height:100%; border-radius:5px; background:var(--main); min-width:0; } .cc-pct { text-align:right; white-space:nowrap; font-variant-numeric:tabular-nums; color:var(--soft); }
.cc-acts { display:flex; flex-wrap:wrap; gap:8px; margin-top:12px; } .cc-acts button { min-height:38px; font-size:15px; } .cc-more { grid-column:1/-1; } .cc-said:empty { display:none; } .cc-said { font-size:14px; margin:2px 0 0 !important; }
.cc-wrong { display:grid; gap:10px; padding:14px; border-radius:12px; background:var(--page); } .cc-wrong label { display:flex; gap:10px; align-items:center; flex-wrap:wrap; } .cc-wrong .cc-agree { flex-wrap:nowrap; align-items:flex-start; font-size:14px; } .cc-agree input { width:20px; height:20px; margin:1px 0 0; flex:none; accent-color:var(--main); } .cc-wrong select { flex:1 1 160px; }
.cc-scroll { overflow-x:auto; border:1px solid var(--line); border-radius:14px; background:var(--card); } .cc table { border-collapse:collapse; width:100%; font-size:15px; } .cc th, .cc td { padding:9px 12px; text-align:left; border-bottom:1px solid var(--line); vertical-align:middle; } .cc tr:last-child td { border-bottom:0; } .cc th { font-size:13px; color:var(--soft); font-weight:600; white-space:nowrap; }
.cc td img { display:block; width:44px; height:44px; object-fit:cover; border-radius:8px; } .cc td.cc-num, .cc th.cc-num { text-align:right; font-variant-numeric:tabular-nums; white-space:nowrap; } .cc td.cc-file { max-width:260px; overflow:hidden; text-overflow:ellipsis; white-space:nowrap; } .cc td.cc-bad { color:var(--bad); }
.cc-lost { display:flex; flex-wrap:wrap; gap:12px; align-items:center; padding:12px 16px; margin:14px 0 0; border:1px solid var(--bad); border-radius:14px; background:var(--bad-tint); color:var(--bad); }
@container (max-width:560px) { .cc table { font-size:14px; } .cc th, .cc td { padding:8px 7px; } .cc th:first-child { font-size:0; } .cc td.cc-file { max-width:96px; } .cc-card { grid-template-columns:104px 1fr; gap:14px; padding:14px; } .cc-rows { grid-column:1/-1; } .cc-answer { font-size:22px; } .cc-buttons, .cc-buttons > * { width:100%; } .cc-body { display:contents; } .cc-head { min-width:0; align-self:center; } .cc-head, .cc-rows { min-width:0; } .cc-error .cc-head { align-self:center; } .cc-acts { grid-column:1/-1; margin:0; } .cc-acts button { flex:1; } .cc-bar > button { flex:1; } }
@media (prefers-reduced-motion:reduce) { .cc *, .cc *::before { animation:none !important; transition:none !important; } }
@media (forced-colors:active) { .cc-fill { background:Highlight; } .cc-track { border:1px solid; } }
"""


_tools = r"""
const h = (tag, o = {}, ...kids) => {
  const { attr = {}, role, ...rest } = o, e = Object.assign(document.createElement(tag), rest);
  for (const [k, v] of Object.entries(role ? { role, ...attr } : attr)) e.setAttribute(k, v);
  e.append(...kids.flat());
  return e;
};
const fill = (text, o = {}) => text.replace(/\{(\w+)\}/g, (_, k) => o[k] ?? '');
const megabytes = n => (n / 1e6).toFixed(n < 1e7 ? 1 : 0);

class Said extends Error {}  // Its message is a sentence for the visitor

function speaker(texts, language) {
  const say = (key, o) => fill(texts[key], o), rules = new Intl.PluralRules(language);
  say.count = (key, n) => fill(texts[`${key}_${rules.select(n)}`] || texts[`${key}_other`], { n });
  return say;
}
"""


_line = r"""
const PART = 262144, AHEAD = 4, TRIES = 3, PATIENCE = 5;

class Line {
  constructor(model, say) {
    Object.assign(this, { model, say, last: 0, boxes: new Map(), tail: Promise.resolve() });
    model.on('msg:custom', (m, buffers) => this.boxes.get(m.id)?.({ ...m, buffers }));
  }

  // A function that waits for the next message about request `id`
  box(id) {
    const got = []; let wake = null;
    this.boxes.set(id, m => { got.push(m); wake?.() });
    return seconds => new Promise((yes, no) => {
      const clock = setTimeout(() => no(Object.assign(new Said(this.say('lost')), { lost: true })), seconds * 1000);
      (wake = () => { if (got.length) { clearTimeout(clock); wake = null; yes(got.shift()) } })();
    });
  }

  ask(start, blob = null, moved = () => {}) {
    const turn = this.tail.then(() => this.talk(start, blob, moved));
    this.tail = turn.catch(() => {});
    return turn;
  }

  async talk(start, blob, moved) {
    for (let tries = 1; ; tries++) {
      try { return await this.attempt(start, blob, moved, tries < TRIES) } catch (e) { if (!e.unheard || tries === TRIES) throw e }
    }
  }

  async attempt(start, blob, moved, again) {
    const id = `${++this.last}`, next = this.box(id), size = blob?.size || 0;
    try {
      this.model.send({ ...start, do: 'start', id, size });
      let got = 0, m = {}, heard = !size || !again; // The server answers the start of a file at once
      const hear = async seconds => {
        m = await next(heard ? seconds : PATIENCE).catch(e => { throw Object.assign(e, { unheard: !heard }) });
        heard = true; if (m.error) throw new Said(m.error); got = m.got ?? got; if (got < size) moved(got / size);
      };
      for (let at = 0; at < size; at += PART) {
        while (at - got >= AHEAD * PART) await hear(30);
        const part = await blob.slice(at, at + PART).arrayBuffer().catch(() => { throw new Said(this.say('unreadable')) });
        this.model.send({ do: 'part', id }, undefined, [part]);
      }
      while (!m.done) await hear(size && got < size ? 30 : 120);
      return m;
    } finally { this.boxes.delete(id) }
  }
}
"""


_card = r"""
const percent = (p, digits = 0) => (100 * p).toFixed(digits);

class Picture {
  constructor(visit, name, blob, url) {
    Object.assign(this, { visit, name, blob, url, state: 'waiting' });
    this.pic = h('div', { className: 'cc-pic', ariaHidden: 'true' }, '·'); this.body = h('div', { className: 'cc-body' }); this.more = h('div', { className: 'cc-more', hidden: true });
    this.card = h('article', { className: 'cc-card', attr: { 'aria-label': name } }, this.pic, this.body, this.more);
    this.row = h('tr'); this.draw();
  }

  get known() { return this.answer?.known }
  shown(category) { return this.visit.about.labels[category] || category }
  button(text, label, act, attr = {}) { return h('button', { type: 'button', textContent: text, onclick: act, attr: { 'aria-label': label, ...attr } }) }

  async look() {
    this.set('busy');
    try {
      const m = await this.visit.line.ask({ what: 'look', name: this.name, url: this.url }, this.blob, p => this.visit.moved(p));
      this.answer = m; this.copy = new Blob([m.buffers[0]], { type: 'image/jpeg' }); this.src = URL.createObjectURL(this.copy);
      this.set('done');
    } catch (e) { this.fail(e) }
  }

  fail(e) { this.error = e instanceof Said ? e.message : this.visit.say('ours'); if (e.lost) this.visit.lost(); if (!(e instanceof Said)) console.error(e); this.set('error') }
  set(state) { this.state = state; this.draw() }
  gone() { for (const o of [this.src, this.heat]) if (o) URL.revokeObjectURL(o) }

  draw() {
    const { say } = this.visit, a = this.answer, name = h('h3', { className: 'cc-name', textContent: this.name, title: this.name });
    this.card.className = `cc-card cc-${this.state}`;
    if (this.state === 'done') {
      const none = [h('span', { className: 'cc-unsure', textContent: say('none') }), ' ', h('small', { textContent: say('nearest', { category: this.shown(a.category) }) })];
      const sure = [this.shown(a.category), ' ', h('small', { textContent: say('sure', { p: percent(a.probability) }) })];
      this.pic.ariaHidden = null; this.pic.replaceChildren(h('img', { src: this.src, alt: this.name }));
      const head = h('div', { className: 'cc-head' }, name, h('div', { className: 'cc-answer', attr: { 'data-answer': a.answer } }, ...(a.known ? sure : none)));
      this.body.replaceChildren(head, h('div', { className: 'cc-rows' }, Object.entries(a.probabilities).map(([c, p]) => this.bar(c, p))), this.acts());
    } else {
      const error = this.state === 'error', text = error ? this.error : say(this.state === 'busy' ? 'looking' : 'waiting', { name: this.name });
      this.pic.replaceChildren(error ? '✕' : '·');
      this.body.replaceChildren(h('div', { className: 'cc-head' }, name, h('div', { className: error ? 'cc-answer' : 'cc-quiet' + (this.state === 'busy' ? ' cc-busy' : ''), textContent: text })));
    }
    this.line();
  }

  bar(c, p) {
    const fill = h('div', { className: 'cc-fill' }); fill.style.width = `${percent(p, 1)}%`;
    return h('div', { className: 'cc-row', attr: { 'data-category': c, 'data-probability': p.toFixed(4) } }, h('span', { textContent: this.shown(c) }), h('div', { className: 'cc-track' }, fill), h('span', { className: 'cc-pct', textContent: `${percent(p, 1)} %` }));
  }

  acts() {
    const { say, about } = this.visit, o = [];
    if (about.why) o.push(this.button(say('why'), say('why_for', { name: this.name, category: this.shown(this.answer.category) }), () => this.why(), { 'aria-pressed': 'false', 'data-act': 'why' }));
    if (about.choices.length) o.push(this.button(say('wrong'), say('wrong_for', { name: this.name }), () => this.wrong(), { 'aria-expanded': 'false', 'data-act': 'wrong' }));
    return h('div', { className: 'cc-acts', hidden: !o.length }, o);
  }

  tell(...kids) { this.more.replaceChildren(...kids); this.more.hidden = !kids.length }
  act(name) { return this.body.querySelector(`[data-act=${name}]`) }

  async why() {
    const { say, line } = this.visit, b = this.act('why'), category = this.answer.category, on = b.ariaPressed !== 'true';
    this.close(); if (!on) return;
    b.ariaPressed = 'true'; b.disabled = true;
    try {
      this.reason ??= await line.ask({ what: 'why', category }, this.copy);
      this.heat ??= URL.createObjectURL(new Blob([this.reason.buffers[0]], { type: 'image/jpeg' }));
      this.pic.append(h('img', { className: 'cc-heat', src: this.heat, alt: say('heat', { name: this.name }) }));
      const { where } = this.reason, o = { category: this.shown(category), where: where && say(where) };
      this.tell(h('p', { className: 'cc-said', textContent: say(where ? 'why_says' : 'why_nothing', o), role: 'status' }));
    } catch (e) { b.ariaPressed = 'false'; this.trouble(e) }
    b.disabled = false; b.focus();
  }

  trouble(e) { if (e.lost) this.visit.lost(); if (!(e instanceof Said)) console.error(e); this.tell(h('p', { className: 'cc-said', role: 'alert', textContent: e instanceof Said ? e.message : this.visit.say('ours') })) }
  close() { this.tell(); this.pic.querySelector('.cc-heat')?.remove(); for (const [n, a] of [['why', 'ariaPressed'], ['wrong', 'ariaExpanded']]) if (this.act(n)) this.act(n)[a] = 'false' }

  wrong() {
    const { say, about } = this.visit, b = this.act('wrong'), open = b.ariaExpanded !== 'true';
    this.close(); if (!open) return b.focus();
    b.ariaExpanded = 'true';
    const pick = h('select', { required: true }, h('option', { value: '', textContent: say('choose_one') }), about.choices.filter(c => !(this.known && c === this.answer.category)).map(c => h('option', { value: c, textContent: this.shown(c) })));
    const agree = h('input', { type: 'checkbox', required: true }), note = h('p', { className: 'cc-said', role: 'status' });
    const send = h('button', { type: 'submit', textContent: say('send') }), cancel = h('button', { type: 'button', textContent: say('cancel'), onclick: () => { this.close(); b.focus() } });
    const form = h('form', { className: 'cc-wrong', noValidate: true, onsubmit: async ev => {
      ev.preventDefault();
      if (!pick.value || !agree.checked) { note.textContent = say('must_agree'); return (pick.value ? agree : pick).focus() }
      send.disabled = true;
      try { await this.teach(pick.value); this.close(); this.tell(h('p', { className: 'cc-said', role: 'status', textContent: say('thanks', { category: this.shown(pick.value) }) })); b.focus() }
      catch (e) { send.disabled = false; if (e.lost) this.visit.lost(); note.textContent = e instanceof Said ? e.message : say('ours') }
    } }, h('label', {}, say('right_is'), pick), h('label', { className: 'cc-agree' }, agree, h('span', { textContent: say('consent') })), h('div', { className: 'cc-acts' }, send, cancel), note);
    this.tell(form); pick.focus();
  }

  teach(category) { return this.visit.line.ask({ what: 'wrong', category, answer: this.answer.answer, url: this.url }, this.blob) }
"""


_table = r"""
  line() {
    const { say } = this.visit, a = this.answer, bad = this.state === 'error';
    const text = bad ? this.error : a ? (a.known ? this.shown(a.category) : `${say('none')} (${say('nearest', { category: this.shown(a.category) })})`) : say('waiting');
    this.row.replaceChildren(h('td', {}, this.src ? h('img', { src: this.src, alt: '' }) : ''), h('td', { className: 'cc-file', textContent: this.name, title: this.name }),
      h('td', { textContent: text, className: bad ? 'cc-bad' : '', colSpan: bad ? 2 : 1 }), bad ? '' : h('td', { className: 'cc-num', textContent: a ? `${percent(a.probability, 1)} %` : '' }));
  }

  values(labels) {
    const a = this.answer, p = n => n === undefined ? '' : n.toFixed(4);
    return [this.name, a?.answer ?? '', a?.category ?? '', p(a?.probability), a ? (a.known ? 'True' : 'False') : '', this.error ?? '', ...labels.map(c => p(a?.probabilities[c]))];
  }
}

const cell = v => { const s = /^[=+\-@\t\r]/.test(v) ? `'${v}` : v; return /[",\n\r]/.test(s) ? `"${s.replaceAll('"', '""')}"` : s };

function csv(pictures, labels) {
  const rows = [['file', 'answer', 'category', 'probability', 'known', 'error', ...labels], ...pictures.map(o => o.values(labels))];
  return rows.map(r => r.map(cell).join(',')).join('\r\n') + '\r\n';
}

function save(text, name) {
  const a = h('a', { href: URL.createObjectURL(new Blob(['\ufeff', text], { type: 'text/csv;charset=utf-8' })), download: name });
  a.click(); setTimeout(() => URL.revokeObjectURL(a.href), 10000);
}
"""


_visit = r"""
const MOST_CARDS = 40, MANY = 12;
const icon = () => { const s = document.createElementNS('http://www.w3.org/2000/svg', 'svg'); s.setAttribute('viewBox', '0 0 24 24'); s.setAttribute('width', 40); s.setAttribute('height', 40); s.setAttribute('aria-hidden', 'true');
  s.innerHTML = '<g fill="none" stroke="var(--main)" stroke-width="1.6" stroke-linecap="round" stroke-linejoin="round"><rect x="3" y="4" width="18" height="16" rx="3"/><circle cx="8.5" cy="9.5" r="1.6"/><path d="M4 17.5l5-4.5 3.5 3 3.5-4 4 4.5"/></g>'; return s };

class Visit {
  constructor(model) {
    const { texts, language, ...about } = model.get('about');
    this.about = about; this.say = speaker(texts, language); this.line = new Line(model, this.say); this.pictures = []; this.queue = []; this.view = 'cards'; this.batch = [0, 0];
    document.documentElement.lang = language;
    this.main = h('main', { className: `cc${navigator.maxTouchPoints && matchMedia('(max-width:1000px)').matches ? ' cc-touch' : ''}`, attr: { 'data-lm-suppress-shortcuts': 'true' } }, this.page()); this.show();
  }

  page() {
    const { say, about } = this;
    this.status = h('div', { className: 'cc-status', role: 'status' }); this.progress = h('progress', { max: 1, hidden: true, attr: { 'aria-label': say('visit') } });
    this.stopper = h('button', { type: 'button', textContent: say('stop'), hidden: true, onclick: () => this.stop() });
    this.cards = h('div', { className: 'cc-cards' }); this.older = h('p', { className: 'cc-quiet', textContent: say('older'), hidden: true });
    this.trouble = h('div', { className: 'cc-lost', hidden: true, role: 'alert' });
    return h('div', { className: 'cc-page' }, h('h1', { textContent: about.title }), h('p', { textContent: say('tells', { labels: about.list }) }), this.intake(), this.drawn(), this.trouble,
      h('div', { className: 'cc-now' }, this.status, this.progress, this.stopper), this.results());
  }

  howto() { return this.say('or_drop', { keys: /^Mac/.test(navigator.platform) ? '⌘V' : 'Ctrl+V' }) }

  intake() {
    const { say, about } = this;
    const input = (attr, cls, text) => h('label', { className: `cc-button ${cls}` }, h('input', { type: 'file', className: 'cc-hidden', onchange: ev => { this.take(ev.target.files); ev.target.value = '' }, attr }), h('span', { textContent: text }));
    const files = input({ accept: 'image/*,.heic,.heif,.avif', multiple: '' }, 'cc-main cc-upload', say('choose')), camera = input({ accept: 'image/*', capture: 'environment' }, 'cc-camera', say('camera'));
    const url = h('input', { className: 'cc-url', type: 'text', inputMode: 'url', placeholder: say('link_hint'), autocomplete: 'off', spellcheck: false, attr: { 'aria-label': say('link') } });
    const link = h('form', { className: 'cc-link', noValidate: true, onsubmit: ev => { ev.preventDefault(); if (url.value.trim()) { this.follow(url.value.trim()); url.value = '' } else url.focus() } }, url, h('button', { type: 'submit', textContent: say('go') }));
    this.hint = h('p', { className: 'cc-desk', textContent: this.howto() });
    this.drop = h('div', { className: 'cc-drop' }, icon(), h('div', { className: 'cc-buttons' }, files, camera), this.hint, about.links ? link : [], h('p', { className: 'cc-quiet', textContent: say('limits', { mb: about.max_mb }) }));
    return this.drop;
  }

  drawn() {
    const { say, about } = this, buttons = about.drawn.map(([c, src]) => h('button', { type: 'button', onclick: () => this.example(c, src), attr: { 'aria-label': say('drawing', { category: about.labels[c] || c }) } }, h('img', { src, alt: '' })));
    return h('section', { className: 'cc-try', hidden: !buttons.length, attr: { 'aria-label': say('try') } }, h('p', { className: 'cc-quiet', textContent: say('try') }), h('div', { className: 'cc-strip' }, buttons));
  }

  results() {
    const { say } = this, toggle = view => h('button', { type: 'button', textContent: say(view), onclick: () => { this.view = view; this.show() }, attr: { 'data-view': view } });
    this.toggles = [toggle('cards'), toggle('table')]; this.rows = h('tbody');
    const head = ['picture', 'file', 'answer', 'probability'].map((k, i) => h('th', { scope: 'col', textContent: say(k), className: i === 3 ? 'cc-num' : '' }));
    this.table = h('div', { className: 'cc-scroll', tabIndex: 0, role: 'region', attr: { 'aria-label': say('table') } }, h('table', {}, h('thead', {}, h('tr', {}, head)), this.rows));
    const both = h('div', { className: 'cc-both', role: 'group', attr: { 'aria-label': say('visit') } }, this.toggles);
    const download = h('button', { type: 'button', textContent: say('csv'), onclick: () => save(csv(this.pictures, Object.keys(this.about.labels)), 'pictures.csv'), attr: { 'data-do': 'csv' } });
    const clear = h('button', { type: 'button', textContent: say('clear'), onclick: () => this.clear(), attr: { 'data-do': 'clear' } });
    this.count = h('span', { className: 'cc-quiet' });
    this.visit = h('section', { hidden: true, attr: { 'aria-label': say('visit') } }, h('div', { className: 'cc-bar' }, h('h2', {}, say('visit'), ' ', this.count), both, download, clear), this.cards, this.older, this.table);
    return this.visit;
  }

  show() {
    const n = this.pictures.length;
    this.visit.hidden = !n; this.count.textContent = n > 1 ? `· ${n}` : '';
    for (const b of this.toggles) b.ariaPressed = String(b.dataset.view === this.view);
    this.cards.hidden = this.view !== 'cards'; this.table.hidden = this.view !== 'table'; this.older.hidden = this.view !== 'cards' || n <= MOST_CARDS;
  }

  take(files) { const o = [...files].map(f => new Picture(this, f.name || 'photo', f)); if (o.length) this.add(o) }
  follow(url) { this.add([new Picture(this, url, null, url)]) }
  async example(category, src) { const b = await (await fetch(src)).blob(); this.add([new Picture(this, this.say('drawing', { category: this.about.labels[category] || category }), b)]) }

  add(some) {
    this.pictures.unshift(...some); this.queue.push(...some); this.batch[1] += some.length;
    this.cards.prepend(...some.slice(0, MOST_CARDS).map(o => o.card)); while (this.cards.children.length > MOST_CARDS) this.cards.lastChild.remove();
    this.rows.prepend(...some.map(o => o.row));
    if (some.length > MANY) this.view = 'table';
    this.show(); this.work();
  }

  async work() {
    if (this.working) return; this.working = true;
    for (let o; (o = this.queue.shift());) {
      this.current = o; this.moved(0);
      const most = this.about.max_mb;
      if (o.blob && o.blob.size > most * 1e6) o.fail(new Said(this.say('too_big', { mb: megabytes(o.blob.size), most }))); else await o.look();
      this.batch[0]++;
    }
    this.working = false; this.current = null; this.tell(this.say.count('looked', this.batch[0]), false); this.batch = [0, 0];
  }

  moved(part) {
    const [i, n] = this.batch, { name, blob } = this.current, key = part > 0 && part < 1 && blob?.size > PART ? 'sending' : 'looking';
    this.tell(this.say(key, { name }) + (n > 1 ? ` · ${this.say('of', { i: i + 1, n })}` : '') + ' …', true); this.progress.value = n > 1 ? (i + part) / n : part;
    this.progress.hidden = n < 2 && key === 'looking'; this.stopper.hidden = !this.queue.length;
  }

  tell(text, busy) { this.status.textContent = text; this.status.className = `cc-status${busy ? ' cc-busy' : ''}`; if (!busy) { this.progress.hidden = true; this.stopper.hidden = true } }
  stop() { for (const o of this.queue.splice(0)) { o.fail(new Said(this.say('stopped'))) } this.stopper.hidden = true }
  clear() { this.stop(); for (const o of this.pictures) o.gone(); this.pictures = []; this.cards.replaceChildren(); this.rows.replaceChildren(); this.status.textContent = ''; this.view = 'cards'; this.show(); this.drop.querySelector('input').focus() }
  lost() { this.trouble.hidden = false; this.trouble.replaceChildren(this.say('lost'), h('button', { type: 'button', textContent: this.say('reload'), onclick: () => location.reload() })); this.stop() }

  // Drop and paste anywhere on the page; returns a function that stops listening
  listen() {
    const has = ev => [...ev.dataTransfer.types].some(o => o === 'Files' || o === 'text/uri-list'), typing = ev => /^(INPUT|TEXTAREA|SELECT)$/.test(ev.target.tagName) && ev.target.type !== 'file';
    const over = on => { this.drop.classList.toggle('cc-over', on); this.hint.textContent = on ? this.say('drop_now') : this.howto() };
    const got = (o, ev) => { const url = o.getData('text/uri-list') || o.getData('text/plain'); if (o.files.length) this.take(o.files); else if (this.about.links && /^https?:\/\/\S+$/.test(url.trim())) this.follow(url.trim()); else return; ev.preventDefault() };
    const on = { dragover: ev => { if (has(ev)) { ev.preventDefault(); over(true) } }, dragleave: ev => { if (!ev.relatedTarget) over(false) }, drop: ev => { if (has(ev)) { ev.preventDefault(); over(false); got(ev.dataTransfer, ev) } }, 'cc-lost': () => this.lost(), paste: ev => { if (!typing(ev) || ev.clipboardData.files.length) got(ev.clipboardData, ev) } };
    for (const [k, f] of Object.entries(on)) window.addEventListener(k, f);
    return () => { for (const [k, f] of Object.entries(on)) window.removeEventListener(k, f) };
  }
}

function render({ model, el }) {
  const visit = new Visit(model);
  el.replaceChildren(visit.main); document.getElementById('loading')?.remove();
  return visit.listen();
}
export default { render };
"""


class Browser(anywidget.AnyWidget):
    "The page in the browser. `about` is what it shows first; messages go both ways"
    _esm, _css = _tools + _line + _card + _table + _visit, _css
    about = traitlets.Dict().tag(sync=True)
