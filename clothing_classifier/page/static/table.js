// The table of a visit: a row for each picture, sorted by any column
import { button, element, percent } from './dom.js';

export class Row {
  constructor(picture) {
    this.picture = picture;
    this.image = element('td');
    this.name = button(picture.name, () => this.open(), { title: picture.name });
    const onclick = ({ target }) => target.closest('button') || this.open();
    this.node = element('tr', { onclick }, this.image, element('td', { className: 'cc-file' }, this.name));
  }

  open() {
    this.name.focus();
    this.picture.visit.enlarge(this.picture);
  }

  draw() {
    const { thumbnail, state } = this.picture;
    const src = thumbnail && this.picture.address(thumbnail);
    const failed = state === 'error';
    this.image.replaceChildren(src ? element('img', { src, alt: '', loading: 'lazy' }) : '');
    if (failed) this.image.append(this.picture.card.removeButton());
    while (this.node.children.length > 2) this.node.lastChild.remove();
    this.node.append(...(failed ? [this.errorCell()] : this.answerCells()));
  }

  errorCell() {
    return element('td', { className: 'cc-bad', colSpan: 2, textContent: this.picture.error });
  }

  answerCells() {
    const { answer } = this.picture;
    const quiet = answer?.known ? '' : 'cc-quiet';
    const cell = element('td', { className: 'cc-num' });
    if (answer?.known) cell.append(...this.bar(answer.probability));
    return [element('td', { className: quiet, textContent: this.text() }), cell];
  }

  bar(probability) {
    const filled = element('div', { className: 'cc-fill' });
    filled.style.width = `${100 * probability}%`;
    return [element('div', { className: 'cc-track' }, filled), `${percent(probability, 1)} %`];
  }

  text() {
    const { answer, state, visit } = this.picture;
    const { say, categoryName } = visit;
    if (!answer) return say(state === 'busy' ? 'looking_short' : state);
    const category = categoryName(answer.category);
    if (answer.known) return category;
    return category ? `${say('none')} (${say('nearest', { category })})` : say('none');
  }
}

const SORT_KEYS = {
  file: ({ name }) => name,
  answer: ({ row, error }) => error ?? row.text(),
  probability: ({ answer }) => (answer?.known ? answer.probability : -1),
};

export class Table {
  constructor(visit) {
    this.visit = visit;
    this.column = null; // null: newest first
    this.direction = 'ascending';
    this.collator = new Intl.Collator(visit.language, { numeric: true });
    const { say } = visit;
    this.rows = element('tbody');
    this.heads = Object.keys(SORT_KEYS).map(column => this.head(column));
    const columns = [element('th', { scope: 'col', textContent: say('picture') }), ...this.heads];
    const table = element('table', {}, element('thead', {}, element('tr', {}, columns)), this.rows);
    const attributes = { role: 'region', 'aria-label': say('table') };
    this.node = element('div', { className: 'cc-scroll', tabIndex: 0, attributes }, table);
  }

  head(column) {
    const attributes = { 'data-column': column };
    const className = column === 'probability' ? 'cc-num' : '';
    return element('th', { scope: 'col', className, attributes },
      button(this.visit.say(column), () => this.sortBy(column)));
  }

  // Ascending, then descending, then as they came
  sortBy(column) {
    const isAgain = column === this.column;
    if (isAgain && this.direction === 'descending') this.column = null;
    else this.direction = isAgain ? 'descending' : 'ascending';
    if (!isAgain) this.column = column;
    for (const head of this.heads) {
      if (head.dataset.column === this.column) head.ariaSort = this.direction;
      else head.removeAttribute('aria-sort');
    }
    this.arrange(this.visit.pictures);
  }

  compare(one, other) {
    const [first, second] = [one, other].map(SORT_KEYS[this.column]);
    const order = typeof first === 'number' ? first - second : this.collator.compare(first, second);
    return this.direction === 'ascending' ? order : -order;
  }

  // Puts the rows in order; untouched if they are
  arrange(pictures) {
    const sorted = this.column ? [...pictures].sort((one, other) => this.compare(one, other)) : pictures;
    const rows = sorted.map(({ row }) => row.node);
    const { children } = this.rows;
    const isSame = rows.length === children.length && rows.every((row, i) => row === children[i]);
    if (!isSame) this.rows.replaceChildren(...rows);
  }
}
