// The card of a picture: the answer, a bar for each category, "Why?" and "Wrong?"
import { button, copyText, element, percent } from './dom.js';
import { correctionForm } from './correction.js';
import { sharedAddress } from './address.js';

export class Card {
  constructor(picture, isLarge = false) {
    this.picture = picture;
    this.visit = picture.visit;
    this.isLarge = isLarge;
    const { name } = picture;
    this.photo = element('img', { alt: name, loading: 'lazy', decoding: 'async', onerror: () => this.hidePhoto() });
    this.image = isLarge ? element('div') : button('', () => this.enlarge(), this.label('enlarge'));
    this.image.className = 'cc-pic';
    this.image.append(this.photo);
    this.body = element('div', { className: 'cc-body' });
    this.details = element('div', { className: 'cc-more', hidden: true });
    const inside = element('div', { className: 'cc-inside' }, this.image, this.body, this.details);
    this.node = element('article', { tabIndex: -1, attributes: { 'aria-label': name } }, inside);
  }

  label(key) {
    return { 'aria-label': this.visit.say(key, { name: this.picture.name }) };
  }

  enlarge() {
    this.visit.enlarge(this.picture, this.action('why')?.ariaPressed === 'true');
  }

  draw() {
    const { state } = this.picture;
    this.node.className = `cc-card cc-${state}`;
    this.drawPhoto();
    if (state === 'done') this.drawAnswer();
    else if (state === 'error') this.drawError();
    else this.drawWaiting(state);
  }

  // The file itself until there is a thumbnail; the large card shows the file, if the browser can
  drawPhoto() {
    const { blob, thumbnail, isShowable, state } = this.picture;
    const file = isShowable ? blob : null;
    const shown = this.isLarge ? file ?? thumbnail : thumbnail ?? file;
    const src = shown ? this.picture.address(shown) : '';
    if (src && this.photo.src !== src) this.photo.src = src;
    this.photo.hidden = !src;
    this.image.disabled = !src || state === 'error';
  }

  hidePhoto() {
    this.picture.isShowable = false;
    this.drawPhoto();
  }

  head(...children) {
    const { name, state } = this.picture;
    const heading = element('h3', { className: 'cc-name', textContent: name, title: name });
    const isRemovable = !this.isLarge && ['done', 'error', 'stopped'].includes(state);
    const remove = isRemovable ? [this.removeButton()] : [];
    return element('div', { className: 'cc-head' }, heading, ...children, ...remove);
  }

  removeButton() {
    const node = button('✕', () => this.visit.remove(this.picture), this.label('remove'));
    return Object.assign(node, { className: 'cc-remove' });
  }

  drawError() {
    this.body.replaceChildren(this.head(element('div', { className: 'cc-answer', textContent: this.picture.error })));
  }

  // As large as the answer will be
  drawWaiting(state) {
    const { say, about } = this.visit;
    const key = { busy: 'looking_short', waiting: 'waiting', stopped: 'stopped' }[state];
    const title = element('div', { className: 'cc-answer', textContent: say(key) });
    const bars = about.categories.map(category => this.bar(category, 0));
    const rows = element('div', { className: 'cc-rows cc-soon', ariaHidden: 'true' }, bars);
    const actions = element('div', { className: 'cc-acts cc-soon', hidden: !about.heat_maps && !about.choices.length });
    actions.append(button(say('why')));
    this.body.replaceChildren(this.head(title), rows, actions);
  }

  drawAnswer() {
    const attributes = { 'data-answer': this.picture.answer.answer };
    const title = element('div', { className: 'cc-answer', attributes }, ...this.answerText());
    this.body.replaceChildren(this.head(title, ...this.said()), this.rows(), this.actions());
  }

  answerText() {
    const { say, categoryName } = this.visit;
    const { category, known, probability } = this.picture.answer;
    if (!known) return [element('span', { className: 'cc-unsure', textContent: say('none') })];
    const sure = element('small', { textContent: say('sure', { p: percent(probability) }) });
    return [categoryName(category), ' ', sure];
  }

  said() {
    const { say, categoryName } = this.visit;
    const { said } = this.picture;
    if (!said) return [];
    return [element('p', { className: 'cc-quiet', textContent: say('you_said', { category: categoryName(said) }) })];
  }

  // Of an unknown thing they only say what it resembles
  rows() {
    const { known, probabilities } = this.picture.answer;
    const bars = Object.entries(probabilities).map(([category, probability]) => this.bar(category, probability));
    if (known || !bars.length) return element('div', { className: 'cc-rows' }, bars);
    const caption = element('p', { className: 'cc-caption', textContent: this.visit.say('nearest_of') });
    for (const bar of bars) bar.lastChild.remove();
    return element('div', { className: 'cc-rows cc-nearest' }, caption, bars);
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
    const { say, categoryName } = this.visit;
    const { name, answer } = this.picture;
    const category = categoryName(answer.category);
    const { places, heatMap } = await this.picture.explain();
    const src = this.picture.address(heatMap);
    this.image.append(element('img', { className: 'cc-heat', src, alt: say('heat', { name }) }));
    const names = places.map(place => say(place)).join(` ${say('and')} `);
    const where = places[0] === 'glow_spread' ? names : say('glow_mostly', { where: names });
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
      this.action('wrong').focus();
    });
    this.showDetails(form);
    form.querySelector('select').focus();
  }
}
