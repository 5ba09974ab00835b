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

function fill(text, values = {}) {
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? '');
}

// A function that returns the text of a key; its `count` chooses the plural form
export function translator(texts, language) {
  const plural = new Intl.PluralRules(language);
  const say = (key, values) => fill(texts[key], values);
  say.count = (key, n) => fill(texts[`${key}_${plural.select(n)}`] || texts[`${key}_other`], { n });
  return say;
}

// An error whose message is a sentence for the visitor
export class VisitorError extends Error {}

export function megabytes(bytes) {
  return (bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0);
}

export function percent(probability, digits = 0) {
  return (100 * probability).toFixed(digits);
}
