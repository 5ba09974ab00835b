// The table of a visit, and the same as CSV
import { element, percent } from './dom.js';

export class Row {
  constructor(picture) {
    this.picture = picture;
    this.node = element('tr');
  }

  draw() {
    const { name, thumbnail, answer, state } = this.picture;
    const failed = state === 'error';
    const cells = [
      element('td', {}, thumbnail ? element('img', { src: thumbnail, alt: '' }) : ''),
      element('td', { className: 'cc-file', textContent: name, title: name }),
      element('td', { className: failed ? 'cc-bad' : '', colSpan: failed ? 2 : 1, textContent: this.text() }),
    ];
    const sure = answer ? `${percent(answer.probability, 1)} %` : '';
    if (!failed) cells.push(element('td', { className: 'cc-num', textContent: sure }));
    this.node.replaceChildren(...cells);
  }

  text() {
    const { answer, error, visit } = this.picture;
    if (error) return error;
    if (!answer) return visit.say('waiting');
    const category = visit.categoryName(answer.category);
    if (answer.known) return category;
    return category ? `${visit.say('none')} (${visit.say('nearest', { category })})` : visit.say('none');
  }

  // The values of the CSV's columns
  values(categories) {
    const { name, answer, error } = this.picture;
    const probability = value => (value === undefined ? '' : value.toFixed(4));
    const known = answer ? (answer.known ? 'True' : 'False') : '';
    const each = categories.map(category => probability(answer?.probabilities[category]));
    const first = [name, answer?.answer ?? '', answer?.category ?? '', probability(answer?.probability)];
    return [...first, known, error ?? '', ...each];
  }
}

// A spreadsheet must not take a value for a formula
function csvCell(value) {
  const safe = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

export function csv(pictures, categories) {
  const head = ['file', 'answer', 'category', 'probability', 'known', 'error', ...categories];
  const rows = [head, ...pictures.map(picture => picture.row.values(categories))];
  return rows.map(row => row.map(csvCell).join(',') + '\r\n').join('');
}

export function download(text, name) {
  const blob = new Blob(['\ufeff', text], { type: 'text/csv;charset=utf-8' });
  const link = element('a', { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}
