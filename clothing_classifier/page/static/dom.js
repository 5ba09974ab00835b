// Elements, texts and numbers

export function element(tag, properties = {}, ...children) {
  const { attributes = {}, ...rest } = properties;
  const node = Object.assign(document.createElement(tag), rest);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children.flat());
  return node;
}

export function button(text, onclick, attributes = {}) {
  return element('button', { type: 'button', textContent: text, onclick, attributes });
}

let numberLanguage = 'en';

export function writeNumbersIn(language) {
  numberLanguage = language;
}

export function formatNumber(number, digits = 0) {
  return number.toLocaleString(numberLanguage, { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

export function megabytes(bytes) {
  return formatNumber(bytes / 1e6, bytes < 1e7 ? 1 : 0);
}

// Never 100: what would round to it is more than 99, or 99.9
export function percent(probability, digits = 0) {
  const step = 10 ** -digits;
  const isAlmostAll = 100 * probability >= 100 - step / 2;
  return isAlmostAll ? `> ${formatNumber(100 - step, digits)}` : formatNumber(100 * probability, digits);
}

// A text with its placeholders filled: by values, or by other texts
function fill(text, values, texts) {
  const shown = value => (typeof value === 'number' ? value.toLocaleString(numberLanguage) : value);
  return text.replace(/\{(\w+)\}/g, (_, name) => shown(values[name]) ?? texts[name] ?? '');
}

// A function that returns the text of a key; its `count` chooses the plural form
export function translator(texts, language) {
  const plural = new Intl.PluralRules(language);
  const say = (key, values = {}) => fill(texts[key], values, texts);
  say.count = (key, n) => fill(texts[`${key}_${plural.select(n)}`] || texts[`${key}_other`], { n }, texts);
  return say;
}

// A mistake that the visitor can mend: the key of its text, and what fills the placeholders
export class VisitorError extends Error {
  constructor(key, values = {}) {
    super(key);
    Object.assign(this, { key, values });
  }
}

function copyWithSelection(text) {
  const area = element('textarea', { value: text, className: 'cc-hidden' });
  document.body.append(area);
  area.select();
  const isCopied = document.execCommand('copy');
  area.remove();
  return isCopied;
}

// Whether a text is in the clipboard now. Browsers give pages without HTTPS no clipboard, hence the second way
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyWithSelection(text);
  }
}
