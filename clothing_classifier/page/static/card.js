// The card of a picture: the answer, a bar for each category, "Why?" and "Wrong?"
import { button, copyText, element, jpegUrl, percent } from './dom.js';
import { correctionForm } from './correction.js';
import { sharedAddress } from './address.js';

export class Card {
  constructor(picture) {
    this.picture = picture;
    this.visit = picture.visit;
    this.image = element('div', { className: 'cc-pic', ariaHidden: 'true' }, '·');
    this.body = element('div', { className: 'cc-body' });
    this.details = element('div', { className: 'cc-more', hidden: true });
    const attributes = { 'aria-label': picture.name };
    this.node = element('article', { attributes }, this.image, this.body, this.details);
  }

  draw() {
    const { state } = this.picture;
    this.node.className = `cc-card cc-${state}`;
    if (state === 'done') this.drawAnswer();
    else this.drawState(state);
  }

  head(...children) {
    const { name } = this.picture;
    const heading = element('h3', { className: 'cc-name', textContent: name, title: name });
    return element('div', { className: 'cc-head' }, heading, ...children);
  }

  drawState(state) {
    const failed = state === 'error';
    const text = this.visit.say(state === 'busy' ? 'looking' : 'waiting', { name: this.picture.name });
    const classes = { waiting: 'cc-quiet', busy: 'cc-quiet cc-busy', error: 'cc-answer' };
    this.image.replaceChildren(failed ? '✕' : '·');
    const textContent = failed ? this.picture.error : text;
    this.body.replaceChildren(this.head(element('div', { className: classes[state], textContent })));
  }

  drawAnswer() {
    const { answer, name, thumbnail } = this.picture;
    this.image.ariaHidden = null;
    this.image.replaceChildren(element('img', { src: thumbnail, alt: name }));
    const attributes = { 'data-answer': answer.answer };
    const title = element('div', { className: 'cc-answer', attributes }, ...this.answerText());
    const bars = Object.entries(answer.probabilities).map(([category, probability]) => this.bar(category, probability));
    this.body.replaceChildren(this.head(title), element('div', { className: 'cc-rows' }, bars), this.actions());
  }

  answerText() {
    const { say } = this.visit;
    const { category, known, probability } = this.picture.answer;
    const name = this.visit.categoryName(category);
    if (known) return [name, ' ', element('small', { textContent: say('sure', { p: percent(probability) }) })];
    const none = element('span', { className: 'cc-unsure', textContent: say('none') });
    if (!category) return [none];
    return [none, ' ', element('small', { textContent: say('nearest', { category: name }) })];
  }

  bar(category, probability) {
    const text = `${percent(probability, 1)} %`;
    const filled = element('div', { className: 'cc-fill' });
    filled.style.width = `${100 * probability}%`;
    const attributes = { 'data-category': category, 'data-probability': probability.toFixed(4) };
    return element('div', { className: 'cc-row', attributes },
      element('span', { textContent: this.visit.categoryName(category) }),
      element('div', { className: 'cc-track' }, filled),
      element('span', { className: 'cc-pct', textContent: text }));
  }

  actions() {
    const { say, about } = this.visit;
    const { name, answer, url } = this.picture;
    const category = this.visit.categoryName(answer.category);
    const buttons = [];
    if (about.heat_maps && about.categories.includes(answer.category)) {
      const label = say('why_for', { name, category });
      const attributes = { 'aria-label': label, 'aria-pressed': 'false', 'data-act': 'why' };
      buttons.push(button(say('why'), () => this.toggleHeatMap(), attributes));
    }
    if (url) {
      const attributes = { 'aria-label': say('share_for', { name }), 'data-act': 'share' };
      buttons.push(button(say('share'), () => this.share(), attributes));
    }
    if (about.choices.length) {
      const attributes = { 'aria-label': say('wrong_for', { name }), 'aria-expanded': 'false', 'data-act': 'wrong' };
      buttons.push(button(say('wrong'), () => this.toggleCorrection(), attributes));
    }
    return element('div', { className: 'cc-acts', hidden: !buttons.length }, buttons);
  }

  action(name) {
    return this.body.querySelector(`[data-act=${name}]`);
  }

  showDetails(...children) {
    this.details.replaceChildren(...children);
    this.details.hidden = !children.length;
  }

  showSentence(textContent, role = 'status') {
    this.showDetails(element('p', { className: 'cc-said', textContent, attributes: { role } }));
  }

  close() {
    this.showDetails();
    this.image.querySelector('.cc-heat')?.remove();
    this.action('why')?.setAttribute('aria-pressed', 'false');
    this.action('wrong')?.setAttribute('aria-expanded', 'false');
  }

  async share() {
    const address = sharedAddress(this.picture.url);
    const isCopied = await copyText(address);
    this.close();
    this.showSentence(isCopied ? this.visit.say('shared') : address);
  }

  async toggleHeatMap() {
    const why = this.action('why');
    const wasShown = why.ariaPressed === 'true';
    this.close();
    if (wasShown) return;
    why.ariaPressed = 'true';
    why.disabled = true;
    try {
      await this.showHeatMap();
    } catch (error) {
      why.ariaPressed = 'false';
      this.showSentence(this.visit.sentence(error), 'alert');
    }
    why.disabled = false;
    why.focus();
  }

  async showHeatMap() {
    const { say } = this.visit;
    const { name, answer } = this.picture;
    this.reason ??= await this.picture.ask('explain', { category: answer.category, sha1: answer.sha1 });
    this.heatMap ??= jpegUrl(this.reason.buffers[0]);
    this.image.append(element('img', { className: 'cc-heat', src: this.heatMap, alt: say('heat', { name }) }));
    const { places } = this.reason;
    const where = places.map(place => say(place)).join(` ${say('and')} `);
    const category = this.visit.categoryName(answer.category);
    this.showSentence(say(places.length ? 'why_says' : 'why_nothing', { category, where }));
  }

  toggleCorrection() {
    const wrong = this.action('wrong');
    const wasOpen = wrong.ariaExpanded === 'true';
    this.close();
    if (wasOpen) return wrong.focus();
    wrong.ariaExpanded = 'true';
    const form = correctionForm(this.picture, thanks => {
      this.close();
      if (thanks) this.showSentence(thanks);
      wrong.focus();
    });
    this.showDetails(form);
    form.querySelector('select').focus();
  }
}
