// The foot of the page: how programs ask, what becomes of the pictures, and what answers
import { button, copyText, element } from './dom.js';
import { addressBeside } from './address.js';
import { snippets } from './snippets.js';

export class Foot {
  constructor(visit) {
    this.visit = visit;
    const { say, about } = visit;
    this.said = element('p', { className: 'cc-said', attributes: { role: 'status' } });
    this.snippets = element('div', { className: 'cc-snippets' });
    this.show(visit.pictures.find(picture => picture.state === 'done'));
    const privacy = say(about.choices.length ? 'privacy_feedback' : 'privacy');
    this.node = element('footer', { className: 'cc-foot' },
      about.api ? this.apiSection() : [],
      element('p', { className: 'cc-quiet', textContent: privacy }),
      element('p', { className: 'cc-quiet' }, ...this.facts()));
  }

  apiSection() {
    const summary = element('summary', { textContent: this.visit.say('api') });
    return element('details', { className: 'cc-api' }, summary, this.snippets, this.said);
  }

  facts() {
    const { say, about, language } = this.visit;
    const version = `clothing-classifier ${about.version}`;
    if (!about.api) return [version];
    const link = (path, key) => element('a', { href: addressBeside(path), textContent: say(key) });
    return [link('docs', 'api_docs'), ' · ', link(`model?lang=${language}`, 'model'), ' · ', version];
  }

  // Writes the snippets for a picture, or for any
  show(picture) {
    const file = picture?.blob?.name || 'photo.jpg';
    this.said.textContent = '';
    this.snippets.replaceChildren(...snippets(file, picture?.url).map(([name, text]) => this.snippet(name, text)));
  }

  snippet(name, text) {
    const { say } = this.visit;
    const label = { 'aria-label': say('copy_for', { name }) };
    const region = { role: 'region', 'aria-label': name };
    return element('section', { attributes: { 'data-snippet': name } },
      element('div', { className: 'cc-bar' },
        element('h3', { textContent: name }),
        button(say('copy'), () => this.copy(text), label)),
      element('pre', { tabIndex: 0, attributes: region }, element('code', { textContent: text })));
  }

  async copy(text) {
    this.said.textContent = this.visit.say(await copyText(text) ? 'copied' : 'copy_failed');
  }
}
