// What came out in this visit, as cards or as a table
import { button, element } from './dom.js';
import { csv, download } from './table.js';

const MOST_CARDS = 40;
const MANY_PICTURES = 12; // chosen together: the table is clearer

export class Results {
  constructor(visit) {
    this.visit = visit;
    this.view = 'cards';
    const { say } = visit;
    this.count = element('span', { className: 'cc-quiet' });
    this.cards = element('div', { className: 'cc-cards' });
    this.older = element('p', { className: 'cc-quiet', textContent: say('older'), hidden: true });
    this.rows = element('tbody');
    this.table = this.scrollingTable();
    this.toggles = ['cards', 'table'].map(view => button(say(view), () => this.show(view), { 'data-view': view }));
    this.node = element('section', { hidden: true, attributes: { 'aria-label': say('visit') } },
      this.toolbar(), this.cards, this.older, this.table);
  }

  toolbar() {
    const { say } = this.visit;
    const attributes = { role: 'group', 'aria-label': say('visit') };
    return element('div', { className: 'cc-bar' },
      element('h2', {}, say('visit'), ' ', this.count),
      element('div', { className: 'cc-both', attributes }, this.toggles),
      button(say('csv'), () => this.downloadCsv(), { 'data-do': 'csv' }),
      button(say('clear'), () => this.visit.clear(), { 'data-do': 'clear' }));
  }

  scrollingTable() {
    const { say } = this.visit;
    const columns = ['picture', 'file', 'answer', 'probability'];
    const head = columns.map(key => {
      const className = key === 'probability' ? 'cc-num' : '';
      return element('th', { scope: 'col', className, textContent: say(key) });
    });
    const table = element('table', {}, element('thead', {}, element('tr', {}, head)), this.rows);
    const attributes = { role: 'region', 'aria-label': say('table') };
    return element('div', { className: 'cc-scroll', tabIndex: 0, attributes }, table);
  }

  downloadCsv() {
    download(csv(this.visit.pictures, this.visit.about.categories), 'pictures.csv');
  }

  add(pictures) {
    this.cards.prepend(...pictures.slice(0, MOST_CARDS).map(picture => picture.card.node));
    while (this.cards.children.length > MOST_CARDS) this.cards.lastChild.remove();
    this.rows.prepend(...pictures.map(picture => picture.row.node));
    this.show(pictures.length > MANY_PICTURES ? 'table' : this.view);
  }

  clear() {
    this.cards.replaceChildren();
    this.rows.replaceChildren();
    this.show('cards');
  }

  show(view) {
    const n = this.visit.pictures.length;
    this.view = view;
    this.node.hidden = !n;
    this.count.textContent = n > 1 ? `· ${n}` : '';
    for (const toggle of this.toggles) toggle.ariaPressed = String(toggle.dataset.view === view);
    this.cards.hidden = view !== 'cards';
    this.older.hidden = view !== 'cards' || n <= MOST_CARDS;
    this.table.hidden = view !== 'table';
  }
}
