"""Find the wrong labels, and let a person fix them in minutes"""
import base64
import threading
from collections import Counter
from functools import partial
from pathlib import Path

import anywidget
import pandas as pd
import traitlets
from fastai.vision.all import *

from ..cleaning.journal import Journal, Marks, _lock, _where, apply, plan, undo
from ..cleaning.ranking import CleanError, accepted
from ..images import ImageError, open_image, thumbnail
from ..settings import Settings
from ..training.splits import DataError
from ..training.weights import TrainError

_css = """
.cl { --ink:#1d2433; --soft:#5b6577; --line:#dfe3ea; --card:#fff; --page:#f5f6f8; --bar:#1f5fcc; --on:#fff; --ok:#1b7a43; --bad:#b3261e; --move:#8a5a00;
  color:var(--ink); background:var(--page); font:15px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; container-type:inline-size; }
body[data-voila]:has(.cl) { background:#f5f6f8 !important; }
@media (prefers-color-scheme: dark) { .cl { --ink:#e8ebf1; --soft:#a5afbf; --line:#333b49; --card:#1d232e; --page:#12161d; --bar:#6ea3ff; --on:#0c1220; --ok:#5fd08f; --bad:#ff9a92; --move:#f0c36a; }
  body[data-voila]:has(.cl) { background:#12161d !important; } }
body[data-voila] :has(.cl) { overflow:visible !important; background:transparent !important; margin:0 !important; padding:0 !important; }
.cl * { box-sizing:border-box; } .cl-in { max-width:1240px; margin:0 auto; padding:20px 16px 12px; }
.cl h1 { font-size:clamp(24px, 5cqw, 34px); line-height:1.15; letter-spacing:-.02em; margin:0 0 4px; color:var(--ink); } .cl p { margin:0; color:var(--soft); max-width:75ch; }
.cl-tools { display:flex; flex-wrap:wrap; gap:10px 14px; align-items:end; margin:16px 0 12px; } .cl-tools > button { margin-left:auto; } .cl-tools :is(button, select, input) { font-size:14px; } .cl-tools label { display:grid; gap:3px; font-size:13px; color:var(--soft); }
.cl button, .cl select, .cl input { font:inherit; min-height:38px; padding:0 12px; color:var(--ink); background:var(--card); border:1px solid var(--line); border-radius:9px; }
.cl select { max-width:100%; padding:0 8px; } .cl input { width:76px; } .cl button { cursor:pointer; } .cl button:hover:enabled { border-color:var(--bar); } .cl button:disabled { opacity:.45; cursor:default; }
.cl :focus-visible { outline:3px solid var(--bar); outline-offset:2px; } .cl button.cl-main { background:var(--bar); border-color:var(--bar); color:var(--on); font-weight:600; }
.cl-grid { display:grid; grid-template-columns:repeat(auto-fill, minmax(min(176px, 44cqw), 1fr)); gap:12px; min-height:120px; }
.cl-card { position:relative; display:flex; flex-direction:column; gap:6px; padding:8px; background:var(--card); border:2px solid var(--line); border-radius:13px; }
.cl-card img, .cl-none { width:100%; aspect-ratio:1; object-fit:contain; border-radius:7px; background:#fff; color:#5b6577; display:grid; place-items:center; }
.cl-head { display:flex; justify-content:space-between; gap:8px; font-weight:600; overflow-wrap:anywhere; } .cl-head small { color:var(--soft); font-weight:500; font-variant-numeric:tabular-nums; }
.cl-why { flex:1; font-size:13px; color:var(--soft); overflow-wrap:anywhere; } .cl-acts { display:grid; grid-template-columns:2fr 3fr; gap:6px; } .cl-acts > * { min-width:0; min-height:36px !important; padding:0 5px !important; font-size:14px !important; } .cl-acts button { overflow:hidden; text-overflow:ellipsis; white-space:nowrap; }
.cl-mark { position:absolute; top:14px; left:14px; max-width:calc(100% - 28px); padding:2px 9px; border-radius:99px; background:var(--mark); color:var(--card); font-size:13px; font-weight:600; } .cl-mark:empty { display:none; }
.cl-card.keep { --mark:var(--ok); } .cl-card.move { --mark:var(--move); } .cl-card.reject { --mark:var(--bad); } .cl-card.keep, .cl-card.move, .cl-card.reject { border-color:var(--mark); }
.cl-card.reject img { opacity:.35; } .cl-card button[aria-pressed=true] { background:var(--mark); border-color:var(--mark); color:var(--card); font-weight:600; }
.cl-empty { grid-column:1/-1; display:grid; gap:10px; place-content:center; justify-items:center; min-height:300px; color:var(--soft); } .cl-empty progress { width:min(320px, 70cqw); height:10px; accent-color:var(--bar); }
.cl-pager { display:flex; justify-content:center; align-items:center; gap:14px; margin:16px 0; color:var(--soft); }
.cl-foot { position:sticky; bottom:0; z-index:2; background:var(--card); border-top:1px solid var(--line); } .cl-foot .cl-in { display:flex; flex-wrap:wrap; gap:8px 14px; align-items:center; padding-top:9px; padding-bottom:9px; }
.cl-foot .cl-say { flex:1 1 260px; } .cl-plan { flex-basis:100%; } .cl-plan ul { margin:4px 0 8px; padding-left:20px; } .cl-keys { display:flex; flex-wrap:wrap; gap:4px 12px; margin-top:10px; font-size:13px; color:var(--soft); }
.cl-card img { cursor:zoom-in; } .cl-big { padding:0; border:0; border-radius:12px; background:#fff; overflow:hidden; cursor:zoom-out; } .cl-big::backdrop { background:#000b; } .cl-big img { display:block; min-width:min(75vw, 440px); max-width:92vw; max-height:90vh; object-fit:contain; }
.cl kbd { padding:1px 5px; border:1px solid var(--line); border-radius:4px; background:var(--card); color:var(--ink); font:12px ui-monospace, monospace; }
@container (max-width:520px) { .cl-tools label { flex:1 1 44%; } .cl-tools select { width:100%; } .cl-grid { gap:9px; } .cl .cl-acts > * { font-size:13px !important; padding:0 3px !important; } .cl-keys { display:none; } .cl-foot .cl-in { gap:6px 8px; } .cl-foot button { flex:1 1 auto; padding:0 8px; } .cl-foot .cl-say { flex-basis:100%; font-size:14px; } }
"""


_esm = r"""
const h = (tag, o = {}, ...kids) => { const e = Object.assign(document.createElement(tag), o); for (const [k, v] of Object.entries(o.attr || {})) e.setAttribute(k, v); e.append(...kids.flat()); return e };

function pick(name, text, options, value, send) {
  const s = h('select', { attr: { 'data-pick': name }, onchange: () => send('show', { [name]: s.value }) }, options.map(([v, t]) => h('option', { value: v, textContent: t, selected: v === value })));
  return h('label', {}, text, s);
}

function card(c, st, send) {
  const mark = to => send('mark', { sha1: c.sha1, to }), button = (act, to, text, title = '') => h('button', { textContent: text, title, onclick: () => mark(to), attr: { 'data-act': act, 'data-to': to } });
  const others = st.categories.filter(o => o !== c.category && o !== c.suggestion), move = st.categories.includes(c.suggestion) && c.suggestion !== c.category;
  const select = h('select', { attr: { 'data-act': 'other', 'aria-label': 'Move to another category' }, onchange: () => { if (select.value) mark(select.value) } },
    h('option', { value: '', textContent: move ? 'Other …' : 'Move to …' }), others.map(o => h('option', { value: o, textContent: o })));
  return h('article', { className: 'cl-card', tabIndex: 0, attr: { 'data-sha1': c.sha1, 'data-category': c.category, 'data-suggestion': c.suggestion, 'data-reject': c.reject, 'aria-label': `${c.category}: ${c.reason}` } },
    c.src ? h('img', { src: c.src, alt: `given as ${c.category}`, title: 'Show it large', onclick: () => send('look', { sha1: c.sha1 }) }) : h('div', { className: 'cl-none', textContent: 'cannot be shown' }),
    h('div', { className: 'cl-head' }, c.category, h('small', { textContent: c.suggestion === c.category ? '' : `${c.sure} % sure`, title: 'How sure the suggestion is' })), h('div', { className: 'cl-why', textContent: c.reason }), h('div', { className: 'cl-mark' }),
    h('div', { className: 'cl-acts' }, button('keep', c.category, 'Keep'), move ? button('move', c.suggestion, `→ ${c.suggestion}`, `Move to ${c.suggestion}`) : select, button('reject', c.reject, 'Reject', c.reject), move ? select : []));
}

function paint(e, to) {
  const kind = !to ? '' : to === e.dataset.category ? 'keep' : to.startsWith('rejected/') ? 'reject' : 'move';
  e.className = `cl-card ${kind}`; e.dataset.mark = to || '';
  e.querySelector('.cl-mark').textContent = { '': '', keep: 'Kept', reject: 'Rejected', move: `→ ${to}` }[kind];
  e.querySelectorAll('button').forEach(b => b.setAttribute('aria-pressed', b.dataset.to === to));
  const s = e.querySelector('select'); s.value = [...s.options].some(o => o.value === to) ? to : '';
}

function keys(ev, root, model, send) {
  if (ev.ctrlKey || ev.metaKey || ev.altKey || /^(SELECT|INPUT|DIALOG)$/.test(ev.target.tagName)) return;
  const cards = [...root.querySelectorAll('.cl-card')], here = ev.target.closest('.cl-card'), i = cards.indexOf(here), st = model.get('state'), page = st.page;
  const columns = cards.filter(o => o.offsetTop === cards[0].offsetTop).length, step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns }[ev.key];
  const go = n => { const o = cards[Math.max(0, Math.min(cards.length - 1, n))]; if (o) o.focus() };
  const mark = to => { if (here && to) { send('mark', { sha1: here.dataset.sha1, to, on: true }); go(i + 1) } }, k = ev.key.toLowerCase();
  if (step) go(i < 0 ? 0 : i + step); else if (k === 'n') send('show', { page: page + 1 }); else if (k === 'p') send('show', { page: page - 1 });
  else if (k === 'k') mark(here?.dataset.category); else if (k === 'r') mark(here?.dataset.reject); else if (k === 'm') mark(here?.dataset.suggestion);
  else if (k === 'z') { if (here) send('look', { sha1: here.dataset.sha1 }) } else if (k === 'u') { if (here) send('mark', { sha1: here.dataset.sha1, to: '' }) } else if (/^[1-9]$/.test(k)) mark(st.categories[k - 1]); else return;
  ev.preventDefault();
}

function tools(st, send, typed) {
  const o = st.options, above = h('input', { type: 'number', min: 1, max: 100, value: typed || st.above, attr: { 'aria-label': 'Percent' } });
  return [...Object.entries(o).map(([name, { text, choices }]) => pick(name, text, choices, st[name], send)),
    h('label', {}, 'Accept all suggestions above, in %', h('span', { style: 'display:flex;gap:6px' }, above, h('button', { textContent: 'Accept', disabled: st.busy, onclick: () => send('accept', { above: +above.value }), attr: { 'data-do': 'accept' } }))),
    h('button', { textContent: 'Rank again', disabled: st.busy, onclick: () => send('rank'), attr: { 'data-do': 'rank' } })];
}

function foot(st, send) {
  const button = (act, text, off, cls = '') => h('button', { textContent: text, disabled: off || st.busy, className: cls, onclick: () => send(act), attr: { 'data-do': act } });
  const say = h('div', { className: 'cl-say', attr: { role: 'status' } }, h('strong', { textContent: st.counts, attr: { 'data-counts': '' } }), st.message ? h('div', { textContent: st.message, attr: { 'data-message': '' } }) : []);
  if (st.plan) return [h('div', { className: 'cl-plan' }, h('strong', { textContent: 'This will happen:' }), h('ul', {}, st.plan.map(o => h('li', { textContent: o }))), button('apply', 'Move the files', false, 'cl-main'), ' ', button('cancel', 'Cancel'))];
  return [say, button('ask', 'Apply …', !st.moves, 'cl-main'), button('undo', 'Undo last', !st.applied), button('undo_all', 'Undo all', !st.applied)];
}

function render({ model, el }) {
  const send = (act, o = {}) => model.send({ act, ...o }), part = cls => h('div', { className: cls }), [bar, grid, pager, end] = ['cl-tools', 'cl-grid', 'cl-pager', 'cl-in'].map(part);
  const say = (text, ...keys) => h('span', {}, keys.map(k => h('kbd', { textContent: k })), ` ${text}`);
  const hint = h('div', { className: 'cl-keys' }, say('go', '←', '↑', '→', '↓'), say('keep', 'K'), say('take the suggestion', 'M'), say('reject', 'R'), model.get('state').categories.slice(0, 9).map((o, i) => say(o, i + 1)), say('unmark', 'U'), say('show large', 'Z'), say('page', 'P', 'N'));
  const big = h('dialog', { className: 'cl-big', onclick: () => big.close(), attr: { 'aria-label': 'The picture, large' } }, h('img', { alt: '' }));
  const root = h('div', { className: 'cl', onkeydown: ev => keys(ev, root, model, send), attr: { 'data-lm-suppress-shortcuts': 'true' } },
    h('div', { className: 'cl-in' }, h('h1', { textContent: 'Which labels are wrong?' }), h('p', { textContent: 'The most suspicious pictures come first. Marks are kept at once; no file moves before you apply, and every move can be undone.' }), hint, bar, grid, pager), h('div', { className: 'cl-foot' }, end), big);
  const state = () => {
    const st = model.get('state'), { do: did, pick: picked } = document.activeElement?.dataset || {};
    bar.replaceChildren(...tools(st, send, bar.querySelector('input')?.value)); end.replaceChildren(...foot(st, send));
    pager.replaceChildren(h('button', { textContent: '‹ Previous', disabled: st.page < 1, onclick: () => send('show', { page: st.page - 1 }), attr: { 'data-do': 'previous' } }), h('span', { textContent: st.where }), h('button', { textContent: 'Next ›', disabled: st.page + 1 >= st.pages, onclick: () => send('show', { page: st.page + 1 }), attr: { 'data-do': 'next' } }));
    for (const e of grid.querySelectorAll('.cl-card')) paint(e, st.marks[e.dataset.sha1]);
    const empty = grid.querySelector('.cl-empty');
    if (empty) empty.replaceChildren(...(st.busy ? [h('progress', { max: 100, value: st.progress, attr: { 'aria-label': 'Looking at the pictures' } })] : []), st.busy ? st.message : 'No picture is like that. Choose something else above.');
    root.setAttribute('aria-busy', st.busy); if (did || picked) root.querySelector(did ? `[data-do="${did}"]:enabled` : `[data-pick="${picked}"]`)?.focus();
  };
  const cards = () => { const had = grid.contains(document.activeElement); const cs = model.get('cards'); grid.replaceChildren(...(cs.length ? cs.map(c => card(c, model.get('state'), send)) : [h('div', { className: 'cl-empty' })])); state(); if (had) grid.firstElementChild?.focus() };
  model.on('msg:custom', o => { if (o.look && root.isConnected && !big.open) { big.firstChild.src = o.src; big.showModal() } });
  model.on('change:cards', cards); model.on('change:state', state); cards(); el.replaceChildren(root);
}
export default { render };
"""


class Page(anywidget.AnyWidget):
    "The browser's side: draws `cards` and `state`, sends what was pressed"
    _esm, _css = _esm, _css
    cards = traitlets.List().tag(sync=True)
    state = traitlets.Dict().tag(sync=True)


_kinds = dict(category='wrong category', duplicate='near duplicate', scope='out of scope', quality='poor quality', doubt='only a doubt')


def _src(path, side):
    "A picture as the source of an HTML image, empty if it cannot be read"
    try: return 'data:image/jpeg;base64,' + base64.b64encode(thumbnail(open_image(path, side=side), side)).decode()
    except ImageError: return ''


def _noun(n, word): return f"{n} {word}{'' if n == 1 else 's'}"


class Cleaner:
    "Shows suspects, takes marks, applies them. Display `page`"
    def __init__(self,
        settings:Settings, # Whose pictures
        table:pd.DataFrame|None=None, # From `suspects`; None: rank in the background
        ranking=None # Function of a progress bar that returns such a table
    ):
        self.settings, self.ranking, self.marks, self.page = settings, ranking, Marks(settings), Page()
        self.shown = dict(category='', split='', kind='', show='suspects', page=0, above=settings.clean.accept_percent)
        self.ranked = self.table = pd.DataFrame(columns=['path','category','split','sha1','suggestion','score','sure','kind','reason'])
        self.listed, self.here, self.busy, self.message, self.planned, self.progress = [], [], False, '', None, 0
        with _lock(settings): Journal(settings.data.path).finish()
        self.page.on_msg(lambda widget, msg, buffers: self.do(**msg))
        if table is None: self.rank()
        else: self.take(table)

    def decisions(self)->dict:
        "What was marked: SHA-1 -> category, or `rejected/<reason>`"
        return self.marks.read()


@patch
def rows(self:Cleaner)->pd.DataFrame:
    "The rows that the choices let through, in the order of the ranking"
    t, s = self.table, self.shown
    for o in ('category','split'): t = t[t[o] == s[o]] if s[o] else t
    t = t[t.kind.str.contains(s['kind'])]
    if s['show'] == 'suspects': return t[(t.kind != '') & (t.suggestion != t.category)]
    return t if s['show'] == 'all' else t[t.sha1.isin(self.marks.read()) == (s['show'] == 'marked')]


@patch
def _cards(self:Cleaner, rows):
    "The cards of one page"
    reject = lambda o: o if o.startswith('rejected/') else 'rejected/by-hand'
    return [dict(sha1=r.sha1, category=r.category, suggestion=r.suggestion, reject=reject(r.suggestion),
        sure=round(100*r.sure), reason=r.reason, src=_src(r.path, self.settings.clean.thumbnail_side)) for r in rows.itertuples()]


@patch
def _options(self:Cleaner):
    "Name -> its text and choices"
    o = lambda text, first, names: dict(text=text, choices=[('', first), *names])
    same = lambda names: [(n, n) for n in names]
    return dict(category=o('Given category', 'all', same(self.settings.categories)), split=o('Split', 'train and valid', same(['train','valid'])),
        kind=o('Reason', 'any', _kinds.items()), show=dict(text='Show', choices=same(['suspects','unmarked','marked','all'])))


@patch
def _counts(self:Cleaner, marks):
    "How many pictures are marked, in words"
    at = dict(zip(self.table.sha1, self.table.category))
    n = Counter('kept' if marks[s] == c else 'to reject' if '/' in marks[s] else 'to move' for s,c in at.items() if s in marks)
    return f"{sum(n.values())} marked: " + ', '.join(f'{n[o]} {o}' for o in ('to move','to reject','kept'))


@patch
def show(self:Cleaner, **kw):
    "Change the choices or the page"
    choices = {k: [v for v,_ in o['choices']] for k,o in self._options().items()}
    for k,v in kw.items():
        if not (v in choices[k] if k in choices else k == 'page' and isinstance(v, int)): raise CleanError(f"{k}={v!r} cannot be shown; choose one of {', '.join(choices)}")
    self.shown |= kw
    if set(kw) & set(choices): self.relist()
    self.send_page()


@patch
def relist(self:Cleaner):
    "List anew, from the first page"
    self.listed, self.shown['page'] = self.rows().sha1.tolist(), 0


@patch
def pages(self:Cleaner)->int: return max(1, -(-len(self.listed)//self.settings.clean.page_pictures))


@patch
def send_page(self:Cleaner):
    "Make the thumbnails of one page and send its cards"
    n = self.settings.clean.page_pictures
    self.shown['page'] = i = min(max(self.shown['page'], 0), self.pages()-1)
    self.here = self.listed[i*n:(i+1)*n]
    by = self.table.set_index('sha1', drop=False)
    self.page.cards = self._cards(by.loc[[o for o in self.here if o in by.index]])


@patch
def draw(self:Cleaner):
    "Send what stands around the cards"
    marks, s = self.marks.read(), self.shown
    self.page.state = s | dict(options=self._options(), categories=[*self.settings.categories], pages=self.pages(),
        where=f"page {s['page']+1} of {self.pages()}, {_noun(len(self.listed), 'picture')}",
        marks={o: marks[o] for o in self.here if o in marks}, counts=self._counts(marks), moves=len(plan(marks, self.settings)),
        applied=len(Journal(self.settings.data.path).applied()), message=self.message, busy=self.busy, progress=self.progress, plan=self.planned)


@patch
def mark(self:Cleaner, sha1, to, on=False):
    "Mark one picture; the same mark again takes it away, unless `on`"
    if sha1 not in set(self.table.sha1): raise CleanError(f"{sha1}: is not among the pictures any more; rank again")
    self.marks.change({sha1: None if not on and self.marks.read().get(sha1) == to else to})


@patch
def look(self:Cleaner, sha1):
    "Send one picture large"
    path = self.table.set_index('sha1').path.get(sha1)
    if path is None: raise CleanError(f"{sha1}: is not among the pictures any more; rank again")
    self.page.send(dict(look=sha1, src=_src(path, self.settings.data.max_side)))


@patch
def accept(self:Cleaner, above):
    "Mark all listed suggestions of at least so many percent that have no mark yet"
    marks, self.shown['above'] = self.marks.read(), float(above)
    o = accepted(self.table[self.table.sha1.isin(self.listed) & ~self.table.sha1.isin(marks)], above)
    self.marks.change(o)
    self.message = f"{_noun(len(o), 'suggestion')} of {above:g} % or more accepted."


@patch
def ask(self:Cleaner):
    "What apply would do, in words"
    n = Counter((str(Path(src).parent), str(Path(dst).parent)) for _,src,dst in plan(self.marks.read(), self.settings))
    self.planned = [f"{_noun(k, 'picture')} from {a} to {b}" for (a,b),k in sorted(n.items())]


@patch
def move(self:Cleaner):
    "Move the files"
    moves = apply(self.marks.read(), self.settings)
    self.marks.change({m.sha1: None for m in moves})
    self.refresh()
    self.message = f"{_noun(len(moves), 'picture')} moved."


@patch
def take_back(self:Cleaner, everything=False):
    "Take back the last apply, or all; the marks come back too"
    moves = undo(self.settings, everything)
    self.marks.change({m.sha1: m.dst.split('/')[1] if m.dst.startswith('images/') else m.dst.rsplit('/', 1)[0] for m in moves if m.src})
    if {m.sha1 for m in moves} <= {*self.ranked.sha1}: self.refresh()
    else: self.rank()
    self.message = f"{_noun(len(moves), 'picture')} moved back, and marked as before."


@patch
def refresh(self:Cleaner):
    "See where the files lie now"
    root, at = self.settings.data.path, _where(self.settings.data.path)
    t = self.ranked[[at.get(o, '').startswith('images/') for o in self.ranked.sha1]]
    self.table = t.assign(path=[root/at[o] for o in t.sha1], category=[Path(at[o]).parent.name for o in t.sha1])
    page = self.shown['page']
    self.relist()
    self.shown['page'] = page
    self.send_page()


@patch
def take(self:Cleaner, table):
    "Show this ranking"
    self.ranked, self.busy, self.message = table, False, ''
    with self.page.hold_sync():
        self.refresh()
        self.draw()


@patch
def rank(self:Cleaner):
    "Rank in the background"
    self.busy, self.message, self.progress = True, 'Looking at the pictures …', 0
    self.draw()
    threading.Thread(target=self._rank, daemon=True).start()


@patch
def _rank(self:Cleaner):
    def bar(o, desc):
        for i,x in enumerate(o):
            self.message, self.progress = f'Looking at the pictures ({desc}): {i/len(o):.0%} …', round(100*i/len(o))
            self.draw()
            yield x
    try: self.take(self.ranking(bar))
    except Exception as e: self._failed(e)


@patch
def _failed(self:Cleaner, e):
    "Say what went wrong; what is not the user's to mend is raised"
    ours = isinstance(e, (CleanError, DataError, TrainError))
    self.busy, self.message = False, str(e) if ours else f'Something went wrong ({type(e).__name__}). Nothing is lost; reload the page.'
    self.draw()
    if not ours: raise e


@patch
def do(self:Cleaner, act:str, **kw):
    "What was pressed in the browser, by name"
    acts = dict(show=self.show, mark=self.mark, look=self.look, accept=self.accept, ask=self.ask, cancel=lambda: None,
        apply=self.move, undo=self.take_back, undo_all=partial(self.take_back, True), rank=self.rank)
    if self.busy or act not in acts: return
    self.message, self.planned = '', None
    with self.page.hold_sync(): # Cards and marks arrive together
        try: acts[act](**kw)
        except Exception as e: return self._failed(e)
        self.draw()
