// Where pictures come in: the upload area, the strip of examples, drop and paste anywhere on the page
import { button, element } from './dom.js';

const ICON = `<svg viewBox="0 0 24 24" width="40" height="40" aria-hidden="true" fill="none" stroke="var(--main)"
  stroke-width="1.6" stroke-linecap="round" stroke-linejoin="round">
  <rect x="3" y="4" width="18" height="16" rx="3"/><circle cx="8.5" cy="9.5" r="1.6"/>
  <path d="M4 17.5l5-4.5 3.5 3 3.5-4 4 4.5"/></svg>`;

const LINK = /^https?:\/\/[^\s/]\S*$/i;

function isTyping({ target }) {
  return /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName) && target.type !== 'file';
}

function holdsPicture({ dataTransfer }) {
  return dataTransfer.types.some(type => type === 'Files' || type === 'text/uri-list');
}

export class Intake {
  constructor(visit, link = '') {
    this.visit = visit;
    this.url = this.urlField(link);
    this.mistake = element('p', { id: 'cc-mistake', className: 'cc-mistake', attributes: { role: 'alert' } });
    const { say, about } = visit;
    this.hint = element('p', { className: 'cc-desk', textContent: this.hintText() });
    const limits = say('limits', { mb: about.max_mb });
    this.area = element('div', { className: 'cc-drop', innerHTML: ICON },
      element('div', { className: 'cc-buttons' }, this.fileButton(), this.cameraButton()),
      this.hint,
      about.links ? [this.linkForm(), this.mistake] : [],
      element('p', { className: 'cc-quiet', textContent: limits }));
    this.strip = this.exampleStrip();
  }

  hintText() {
    return this.visit.say('or_drop', { keys: /^Mac/.test(navigator.platform) ? '⌘V' : 'Ctrl+V' });
  }

  focus() {
    this.area.querySelector('input').focus();
  }

  fileInput(text, className, attributes) {
    const onchange = ({ target }) => {
      this.visit.addFiles(target.files);
      target.value = '';
    };
    const input = element('input', { type: 'file', className: 'cc-hidden', onchange, attributes });
    return element('label', { className: `cc-button ${className}` }, input, element('span', { textContent: text }));
  }

  fileButton() {
    const attributes = { accept: 'image/*,.heic,.heif,.avif', multiple: '' };
    return this.fileInput(this.visit.say('choose'), 'cc-main cc-upload', attributes);
  }

  cameraButton() {
    return this.fileInput(this.visit.say('camera'), 'cc-camera', { accept: 'image/*', capture: 'environment' });
  }

  urlField(value) {
    const { say } = this.visit;
    return element('input', {
      className: 'cc-url',
      type: 'text',
      value,
      inputMode: 'url',
      placeholder: say('link_hint'),
      autocomplete: 'off',
      spellcheck: false,
      oninput: () => this.showMistake(''),
      attributes: { 'aria-label': say('link'), 'aria-describedby': 'cc-mistake' },
    });
  }

  linkForm() {
    const onsubmit = event => {
      event.preventDefault();
      this.askLink();
    };
    const go = element('button', { type: 'submit', textContent: this.visit.say('go') });
    return element('form', { className: 'cc-link', noValidate: true, onsubmit }, this.url, go);
  }

  askLink() {
    const url = this.url.value.trim();
    const isLink = LINK.test(url);
    this.showMistake(isLink || !url ? '' : this.visit.say('link_no_link'));
    if (isLink) this.visit.addLink(url);
    else this.url.focus();
  }

  showMistake(text) {
    this.mistake.textContent = text;
    this.url.ariaInvalid = String(text !== '');
  }

  // Empties the field after the answer for `url`; a link that failed stays, to be corrected
  linkDone(url) {
    if (this.url.value.trim() === url) this.url.value = '';
  }

  exampleStrip() {
    const { say, about } = this.visit;
    const buttons = about.examples.map(([category, src]) => {
      const attributes = { 'aria-label': this.visit.exampleName(category) };
      const node = button('', () => this.visit.addExample(category, src), attributes);
      const caption = element('span', { textContent: this.visit.categoryName(category) });
      node.append(element('img', { src, alt: '' }), caption);
      return node;
    });
    const attributes = { 'aria-label': say('try') };
    return element('section', { className: 'cc-try', hidden: !buttons.length, attributes },
      element('p', { className: 'cc-quiet', textContent: say('try') }),
      element('div', { className: 'cc-strip' }, buttons));
  }

  highlight(on) {
    this.area.classList.toggle('cc-over', on);
    this.hint.textContent = on ? this.visit.say('drop_now') : this.hintText();
  }

  // Takes the files or the link of a drop or a paste
  take(data, event) {
    const text = (data.getData('text/uri-list') || data.getData('text/plain')).trim();
    const isLink = this.visit.about.links && LINK.test(text);
    if (data.files.length) this.visit.addFiles(data.files);
    else if (isLink) this.visit.addLink(text);
    else return;
    event.preventDefault();
  }

  onDragOver(event) {
    if (!holdsPicture(event)) return;
    event.preventDefault();
    this.highlight(true);
  }

  onDrop(event) {
    if (!holdsPicture(event)) return;
    event.preventDefault();
    this.highlight(false);
    this.take(event.dataTransfer, event);
  }

  onPaste(event) {
    if (!isTyping(event) || event.clipboardData.files.length) this.take(event.clipboardData, event);
  }

  // Listens to the whole page; returns a function that stops it
  listen() {
    const listeners = {
      dragover: event => this.onDragOver(event),
      dragleave: event => event.relatedTarget || this.highlight(false),
      drop: event => this.onDrop(event),
      paste: event => this.onPaste(event),
    };
    for (const [name, listener] of Object.entries(listeners)) window.addEventListener(name, listener);
    return () => {
      for (const [name, listener] of Object.entries(listeners)) window.removeEventListener(name, listener);
    };
  }
}
