// What came out in this visit, as cards or as a table
import { csv, download } from './csv.js';
import { button, element } from './dom.js';
import { Filter } from './filter.js';
import { Table } from './table.js';

const MOST_CARDS = 40;
const MORE_CARDS = 20;
const VIEW_KEY = 'cc-view'; // in the browser's storage, which a private window may refuse

function keptView() {
  try {
    return localStorage.getItem(VIEW_KEY) === 'table' ? 'table' : 'cards';
  } catch {
    return 'cards';
  }
}

function keepView(view) {
  try {
    localStorage.setItem(VIEW_KEY, view);
  } catch { /* the choice holds for this page */ }
}

export class Results {
  constructor(visit) {
    this.visit = visit;
    this.view = keptView();
    const { say } = visit;
    this.count = element('span', { className: 'cc-quiet' });
    this.filter = new Filter(visit, () => this.draw());
    this.cards = element('div', { className: 'cc-cards' });
    this.most = MOST_CARDS;
    this.more = button('', () => this.showMore(), { 'data-do': 'more' });
    this.table = new Table(visit);
    this.toggles = ['cards', 'table'].map(view => button(say(view), () => this.choose(view), { 'data-view': view }));
    const kept = element('p', { className: 'cc-quiet cc-kept', textContent: say('kept_here') });
    const attributes = { 'aria-label': say('visit') };
    this.node = element('section', { className: 'cc-results', hidden: true, attributes },
      this.toolbar(), this.filter.node, this.cards, this.more, this.table.node, kept);
  }

  toolbar() {
    const { say } = this.visit;
    const attributes = { role: 'group', 'aria-label': say('visit') };
    return element('div', { className: 'cc-bar' },
      element('h2', {}, say('visit'), ' ', this.count),
      element('div', { className: 'cc-tools' },
        element('div', { className: 'cc-both', attributes }, this.toggles),
        button(say('csv'), () => this.downloadCsv(), { 'data-do': 'csv' }),
        button(say('clear'), () => this.visit.clear(), { 'data-do': 'clear' })));
  }

  downloadCsv() {
    download(csv(this.visit.pictures, this.visit.about.categories), 'pictures.csv');
  }

  add(pictures) {
    this.filter.chosen = 'all';
    this.cards.prepend(...pictures.map(picture => picture.card.node));
    this.draw();
  }

  showMore() {
    const shown = new Set(this.shownCards());
    this.most += MORE_CARDS;
    this.draw();
    this.shownCards().find(node => !shown.has(node)).focus();
  }

  shownCards() {
    return [...this.cards.children].filter(node => !node.hidden);
  }

  focus({ card, row }) {
    (this.view === 'cards' ? card.node : row.name).focus({ preventScroll: true });
  }

  // Brings a picture into sight
  reveal({ card, row }) {
    const isCalm = matchMedia('(prefers-reduced-motion: reduce)').matches;
    const { node } = this.view === 'cards' ? card : row;
    node.scrollIntoView({ block: 'nearest', behavior: isCalm ? 'auto' : 'smooth' });
  }

  // Takes a picture out, and returns the button that removes its neighbour
  remove({ card, row }) {
    const node = this.view === 'cards' ? card.node : row.node;
    const next = node.nextElementSibling ?? node.previousElementSibling;
    card.node.remove();
    this.draw();
    return next?.querySelector('.cc-remove');
  }

  // Shows these pictures and no others
  show(pictures) {
    this.cards.replaceChildren(...pictures.map(({ card }) => card.node));
    this.draw();
  }

  choose(view) {
    this.view = view;
    keepView(view);
    this.draw();
  }

  countText(pictures) {
    const failed = pictures.filter(({ state }) => state === 'error').length;
    const answered = pictures.filter(({ state }) => state === 'done').length;
    if (failed) return this.visit.say('answered_failed', { answered, failed });
    return pictures.length > 1 ? `${pictures.length}` : '';
  }

  draw() {
    const { pictures } = this.visit;
    const text = this.countText(pictures);
    this.node.hidden = !pictures.length;
    this.count.textContent = text ? `· ${text}` : '';
    for (const toggle of this.toggles) toggle.ariaPressed = String(toggle.dataset.view === this.view);
    this.filter.draw(pictures);
    this.table.arrange(pictures);
    this.drawMatches(pictures);
    this.cards.hidden = this.view !== 'cards';
    this.table.node.hidden = this.view !== 'table';
  }

  drawMatches(pictures) {
    let matches = 0;
    for (const picture of pictures) {
      const isShown = this.filter.matches(picture);
      if (isShown) matches++;
      picture.row.node.hidden = !isShown;
      picture.card.node.hidden = !isShown || matches > this.most;
    }
    const left = matches - this.most;
    this.more.hidden = this.view !== 'cards' || left <= 0;
    this.more.textContent = this.visit.say('show_more', { n: Math.min(left, MORE_CARDS) });
  }
}
