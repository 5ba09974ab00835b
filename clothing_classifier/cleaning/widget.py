"""The cleaning page as a widget for Jupyter and Voila: shows suspects, takes marks, applies them"""
import threading
from pathlib import Path

import anywidget
import pandas as pd
import traitlets

from ..settings import Settings
from ..training.splits import DataError
from ..training.weights import TrainError
from . import CleanError
from .journal import Journal, Marks, apply, decision_of, files_locked, picture_paths, plan, undo
from .listing import (
    COLUMNS,
    amount,
    choices,
    chosen_rows,
    image_url,
    located,
    marks_in_words,
    page_cards,
    plan_in_words,
)
from .ranking import accepted

STATIC = Path(__file__).parent/'static'
MISSING = 'is not among the pictures any more; rank again'


class Cleaner(anywidget.AnyWidget):
    "The page: the browser draws `cards` and `state`, and sends the name of the button that was pressed"
    _esm, _css = STATIC/'cleaner.js', STATIC/'cleaner.css'
    cards = traitlets.List().tag(sync=True)
    state = traitlets.Dict().tag(sync=True)

    def __init__(self,
        settings:Settings, # project of the pictures
        ranking, # function of a progress bar that returns a table as `suspects` does
        background:bool=False # return at once and rank meanwhile
    ):
        super().__init__()
        self.settings, self.ranking, self.background = settings, ranking, background
        self.marks, percent = Marks(settings), settings.clean.accept_percent
        self.shown = dict(category='', split='', kind='', show='suspects', page=0, above=percent)
        self.ranked = self.table = pd.DataFrame(columns=COLUMNS)
        self.listed, self.visible, self.planned = [], [], None # SHA-1s of the list, of its page; sentences
        self.busy, self.message, self.progress = False, '', 0
        with files_locked(settings): Journal(settings.data.path).finish()
        self.on_msg(lambda widget, message, buffers: self.do(**message))
        self.rank()

    def __repr__(self): return f"Cleaner({amount(len(self.table), 'picture')})"

    def decisions(self)->dict:
        "All marks: SHA-1 -> category, or `rejected/<reason>`"
        return self.marks.read()

    def pages(self)->int: return max(1, -(-len(self.listed)//self.settings.clean.page_pictures))

    # What is sent to the browser

    def draw_cards(self):
        "Make the thumbnails of one page and send them"
        size = self.settings.clean.page_pictures
        self.shown['page'] = page = min(max(self.shown['page'], 0), self.pages()-1)
        self.visible = self.listed[page*size:(page+1)*size]
        rows = self.table[self.table.sha1.isin(self.visible)]
        self.cards = page_cards(rows, self.settings.clean.thumbnail_side)

    def draw_state(self):
        "Send everything but the cards"
        marks, page = self.marks.read(), self.shown['page']+1
        self.state = self.shown | dict(
            choices=choices(self.settings.categories), categories=[*self.settings.categories],
            pages=self.pages(), where=f"page {page} of {self.pages()}, {amount(len(self.listed), 'picture')}",
            marks={sha1: marks[sha1] for sha1 in self.visible if sha1 in marks},
            counts=marks_in_words(self.table, marks), moves=len(plan(marks, self.settings)),
            applied=len(Journal(self.settings.data.path).applied()),
            message=self.message, busy=self.busy, progress=self.progress, plan=self.planned)

    def relist(self):
        "List anew, from the first page"
        self.listed = chosen_rows(self.table, self.shown, self.marks.read()).sha1.tolist()
        self.shown['page'] = 0

    # Ranking

    def rank(self):
        "Rank all pictures; in the background if the widget was made so"
        self.busy, self.message, self.progress = True, 'Looking at the pictures …', 0
        self.draw_state()
        if self.background: threading.Thread(target=self._rank, daemon=True).start()
        else: self._rank()

    def _rank(self):
        try: self.take(self.ranking(self._bar))
        except Exception as error: self._failed(error)

    def _bar(self, batches, desc=''):
        "A progress bar that is shown on the page"
        for i,batch in enumerate(batches):
            self.progress = round(100*i/len(batches))
            self.message = f'Looking at the pictures ({desc}): {self.progress} % …'
            self.draw_state()
            yield batch

    def take(self,
        table:pd.DataFrame # columns of `suspects`
    ):
        "Show this ranking"
        self.ranked, self.busy, self.message = table, False, ''
        with self.hold_sync():
            self.locate()
            self.draw_state()

    def locate(self):
        "Find out where the files are now, and list them again"
        root, page = self.settings.data.path, self.shown['page']
        self.table = located(self.ranked, root, picture_paths(root))
        self.relist()
        self.shown['page'] = page
        self.draw_cards()

    # What the buttons do

    def do(self,
        act:str, # key of `actions`
        **values # arguments of the action
    ):
        "Do what was pressed in the browser"
        if self.busy or act not in self.actions: return
        self.message, self.planned = '', None
        if act == 'rank': return self.rank() # shows its progress
        with self.hold_sync(): # cards and marks arrive together
            try: self.actions[act](self, **values)
            except Exception as error: return self._failed(error)
            self.draw_state()

    def _failed(self, error):
        "Show what went wrong; an error that the user cannot mend is raised"
        expected = isinstance(error, (CleanError, DataError, TrainError))
        unexpected = f'Something went wrong ({type(error).__name__}). Nothing is lost; reload the page.'
        self.busy, self.message = False, str(error) if expected else unexpected
        self.draw_state()
        if not expected: raise error

    def show(self, **chosen):
        "Change the choices or the page"
        offered = choices(self.settings.categories)
        for name,value in chosen.items():
            if name in offered: possible = value in [option for option,_ in offered[name]['options']]
            else: possible = name == 'page' and isinstance(value, int)
            if not possible:
                raise CleanError(f"{name}={value!r} cannot be shown; choose one of {', '.join(offered)}")
        self.shown |= chosen
        if chosen.keys() & offered.keys(): self.relist()
        self.draw_cards()

    def mark(self, sha1, to, on=False):
        "Mark one picture; the same mark again takes it away, unless `on`"
        if sha1 not in set(self.table.sha1): raise CleanError(f"{sha1}: {MISSING}")
        same = self.marks.read().get(sha1) == to
        self.marks.change({sha1: None if same and not on else to})

    def enlarge(self, sha1):
        "Send one picture in its full size"
        path = self.table.set_index('sha1').path.get(sha1)
        if path is None: raise CleanError(f"{sha1}: {MISSING}")
        self.send(dict(enlarged=sha1, src=image_url(path, self.settings.data.max_side)))

    def accept(self, above):
        "Mark all listed suggestions of at least so many percent that have no mark yet"
        self.shown['above'] = float(above)
        rows = self.table[self.table.sha1.isin(self.listed) & ~self.table.sha1.isin(self.marks.read())]
        decisions = accepted(rows, above)
        self.marks.change(decisions)
        self.message = f"{amount(len(decisions), 'suggestion')} of {above:g} % or more accepted."
        if (rows.split == 'test').any(): self.message += ' Test pictures are left to you.'

    def ask(self):
        "Say what an apply would do"
        self.planned = plan_in_words(plan(self.marks.read(), self.settings))

    def cancel(self): "Leave the files where they are"

    def apply(self):
        "Move the files"
        moves = apply(self.marks.read(), self.settings)
        self.marks.change({move.sha1: None for move in moves})
        self.locate()
        self.message = f"{amount(len(moves), 'picture')} moved."

    def undo(self, everything=False):
        "Take back the last apply, or all; the marks come back too"
        moves = undo(self.settings, everything)
        self.marks.change({move.sha1: decision_of(move.dst) for move in moves if move.src})
        if {move.sha1 for move in moves} <= set(self.ranked.sha1): self.locate()
        else: self.rank()
        self.message = f"{amount(len(moves), 'picture')} moved back, and marked as before."

    def undo_all(self): self.undo(everything=True)

    actions = dict(show=show, mark=mark, enlarge=enlarge, accept=accept, ask=ask, cancel=cancel, apply=apply,
        undo=undo, undo_all=undo_all, rank=rank)
