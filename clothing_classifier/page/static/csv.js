// The answers as the command writes them with --csv
import { element } from './dom.js';

// As Python writes a float of four digits
function pythonFloat(value) {
  if (value === undefined) return '';
  return Number.isInteger(value) ? value.toFixed(1) : String(value);
}

// A spreadsheet must not take the name of a file for a formula
function harmless(name) {
  return /^([=+@\t\r]|-.)/.test(name) ? `'${name}` : name;
}

function cell(value) {
  return /[",\n\r]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
}

function values({ name, answer, error }, categories) {
  const { category = '', probability = 0, known = false, probabilities = {} } = answer ?? {};
  const first = [harmless(name), answer?.answer ?? '', category ?? '', pythonFloat(probability)];
  const each = categories.map(category => pythonFloat(probabilities[category]));
  return [...first, known ? 'True' : 'False', error ?? '', ...each];
}

// The finished pictures in the order in which they came
export function csv(pictures, categories) {
  const head = ['file', 'answer', 'category', 'probability', 'known', 'error', ...categories];
  const finished = pictures.filter(({ answer, error }) => answer || error);
  finished.sort((one, other) => one.number - other.number);
  const rows = [head, ...finished.map(picture => values(picture, categories))];
  return rows.map(row => row.map(cell).join(',') + '\n').join('');
}

export function download(text, name) {
  const blob = new Blob([text], { type: 'text/csv;charset=utf-8' });
  const link = element('a', { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}
