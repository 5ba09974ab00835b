// A visit: its pictures, those that still wait, and what is going on
import { parameter } from './address.js';
import { showLarge } from './dialog.js';
import { button, element, megabytes, translator, VisitorError, writeNumbersIn } from './dom.js';
import { Foot } from './foot.js';
import { Intake } from './intake.js';
import { firstLanguage, languageSwitch } from './language.js';
import { Picture } from './picture.js';
import { PART_SIZE, Requests } from './requests.js';
import { Results } from './results.js';
import { Store } from './store.js';

export class Visit {
  constructor(model) {
    this.about = model.get('about');
    this.requests = new Requests(model);
    this.store = new Store(this.about.categories);
    this.pictures = [];
    this.queue = [];
    this.held = []; // stopped before they were answered
    this.finished = []; // of those that were last queued
    this.removed = null; // how to undo the last removal, until the next action
    const isPhone = navigator.maxTouchPoints && matchMedia('(max-width:1000px)').matches;
    const attributes = { 'data-lm-suppress-shortcuts': 'true' };
    this.node = element('main', { className: isPhone ? 'cc cc-touch' : 'cc', attributes });
    this.speak(firstLanguage(this.about));
    model.on('connection', state => this.showConnection(state));
    model.on('change:about', () => this.update(model.get('about')));
  }

  // Shows the page in a language, with everything that is on it
  speak(language) {
    const { texts } = this.about.languages[language];
    this.language = language;
    this.say = translator(texts, language);
    this.categoryName = category => texts[`category_${category}`] || category || '';
    writeNumbersIn(language);
    this.node.lang = language;
    if (document.body.dataset.voila) document.documentElement.lang = language;
    this.rebuild();
  }

  rebuild() {
    this.stopListening?.();
    this.node.replaceChildren(this.page());
    this.stopListening = this.intake.listen();
    for (const picture of this.pictures) this.rebuildPicture(picture);
    this.results.add(this.pictures);
    this.drawUse();
    this.showTitle();
    this.showConnection(this.connection);
    if (this.current) this.showProgress(0);
    else this.showOutcome();
  }

  rebuildPicture(picture) {
    if (picture.example) picture.name = this.exampleName(picture.example);
    picture.rebuild();
  }

  showTitle() {
    const { title, sentence } = this.about.languages[this.language];
    this.heading.textContent = title;
    this.sentenceBelow.textContent = sentence;
    if (document.body.dataset.voila) document.title = title;
  }

  // The notebook may have its own title and sentence, which arrive with its kernel
  update(about) {
    const known = `${this.about.categories}`;
    this.about = { ...about, api: this.about.api };
    if (`${about.categories}` === known) this.showTitle();
    else this.rebuild();
  }

  showConnection(state) {
    this.connection = state;
    const sentences = { lost: 'connecting', full: 'full' };
    this.lost.hidden = !(state in sentences);
    if (!this.lost.hidden) this.lost.replaceChildren(this.say(sentences[state]));
  }

  page() {
    const { say } = this;
    this.heading = element('h1');
    this.sentenceBelow = element('p');
    this.status = element('div', { className: 'cc-status', attributes: { role: 'status' } });
    this.progress = element('progress', { max: 1, hidden: true, attributes: { 'aria-label': say('visit') } });
    this.stopButton = button(say('stop'), () => this.stop(), { 'data-do': 'stop' });
    this.goOnButton = button(say('go_on'), () => this.goOn(), { 'data-do': 'go-on' });
    this.undoButton = button(say('undo'), () => this.undo(), { 'data-do': 'undo' });
    this.stopButton.hidden = this.goOnButton.hidden = this.undoButton.hidden = true;
    this.lost = element('div', { className: 'cc-lost', hidden: true, attributes: { role: 'alert' } });
    this.intake = new Intake(this, this.intake?.url.value);
    this.results = new Results(this);
    this.foot = new Foot(this);
    const buttons = [this.stopButton, this.goOnButton, this.undoButton];
    const now = element('div', { className: 'cc-now' }, this.status, this.progress, buttons);
    return element('div', { className: 'cc-page' },
      languageSwitch(this),
      this.heading,
      this.sentenceBelow,
      element('div', { className: 'cc-work' },
        this.intake.area,
        this.intake.strip,
        element('div', { className: 'cc-out' }, this.lost, now, this.results.node)),
      this.foot.node);
  }

  // The pictures that the browser has kept come back, and those without an answer are queued again
  async restore() {
    const kept = await this.store.load();
    const pictures = kept.map(({ name, blob, url, ...rest }) => new Picture(this, name, blob, url, rest));
    this.show(pictures);
    this.queue.push(...pictures.filter(({ state }) => state === 'waiting'));
    this.work();
  }

  addFiles(files) {
    this.add([...files].map(file => new Picture(this, file.name || 'photo', file)));
  }

  addLink(url) {
    this.add([new Picture(this, url, null, url)]);
  }

  // Asks once for the picture whose link the address of the page holds
  addShared() {
    const url = parameter('url')?.trim();
    if (!url || !this.about.links || this.pictures.some(picture => picture.url === url)) return;
    this.intake.url.value = url;
    this.intake.askLink();
  }

  exampleName(category) {
    return this.say('example', { category: this.categoryName(category) });
  }

  async addExample(category, src) {
    const response = await fetch(src);
    const file = new File([await response.blob()], `${category}.jpg`);
    const picture = new Picture(this, this.exampleName(category), file);
    picture.example = category;
    this.add([picture]);
    this.results.focus(picture);
  }

  add(pictures) {
    if (!pictures.length) return;
    this.forgetRemoved();
    this.show(pictures);
    this.results.reveal(pictures[0]);
    for (const picture of pictures) {
      picture.batch = pictures[0].number;
      this.store.keep(picture);
    }
    this.queue.push(...pictures);
    this.work();
  }

  show(pictures) {
    this.pictures.unshift(...pictures);
    this.drawUse();
    this.results.add(pictures);
  }

  // After the first picture the results have most of the room; the examples and the foot come after them
  drawUse() {
    const { area, strip } = this.intake;
    const wasUsed = this.node.classList.contains('cc-used');
    const isUsed = this.node.classList.toggle('cc-used', this.pictures.length > 0);
    if (isUsed) area.parentElement.append(strip);
    else area.after(strip);
    if (isUsed !== wasUsed) this.foot.node.parentElement.append(this.foot.node);
  }

  enlarge(picture, withHeatMap = false) {
    showLarge(picture, withHeatMap);
  }

  // A picture has another state than before
  changed(picture) {
    if (['done', 'error'].includes(picture.state)) this.store.keepAnswer(picture);
    if (picture.state === 'error') this.putLast(picture);
    this.results.draw();
  }

  // A picture that failed comes after the others that were added with it
  putLast(picture) {
    const others = this.pictures.filter(other => other !== picture);
    const last = others.findLastIndex(({ batch }) => batch === picture.batch);
    if (last < 0) return;
    others[last].card.node.after(picture.card.node);
    others.splice(last + 1, 0, picture);
    this.pictures = others;
  }

  async work() {
    if (this.current) return;
    this.finished = [];
    while ((this.current = this.queue.shift())) {
      this.abort = new AbortController();
      this.showProgress(0);
      await this.classify(this.current, this.abort.signal);
      this.finished.push(this.current);
    }
    this.showOutcome();
  }

  async classify(picture, signal) {
    const most = this.about.max_mb;
    const size = picture.blob?.size || 0;
    if (size > most * 1e6) return picture.fail(new VisitorError('too_big', { mb: megabytes(size), most }));
    await picture.classify(signal);
    if (picture.state === 'done') this.showDone(picture);
  }

  showDone(picture) {
    this.intake.linkDone(picture.url);
    this.foot.show(picture);
  }

  // What the visitor is told of an error; errors that are not the visitor's are logged
  mistake(error) {
    if (error.lost) this.showLost();
    if (error instanceof VisitorError) return error;
    console.error(error);
    return new VisitorError('ours');
  }

  sentence(error) {
    const { key, values } = this.mistake(error);
    return this.say(key, values);
  }

  // `part` of the current picture, 0 to 1, has reached the server
  showProgress(part) {
    const { name, blob } = this.current;
    const isSending = part > 0 && part < 1 && blob?.size > PART_SIZE;
    const n = this.finished.length + 1 + this.queue.length;
    const which = n > 1 ? ` · ${this.say('of', { i: this.finished.length + 1, n })}` : '';
    this.showStatus(`${this.say(isSending ? 'sending' : 'looking', { name })}${which} …`, true);
    this.progress.value = (this.finished.length + part) / n;
    this.progress.hidden = n === 1 && !isSending;
    this.stopButton.hidden = !this.queue.length && !isSending;
    this.goOnButton.hidden = true;
  }

  showStatus(text, busy = false) {
    this.status.textContent = text;
    this.undoButton.hidden = busy || !this.removed;
    this.status.className = busy ? 'cc-status cc-busy' : 'cc-status';
    if (busy) return;
    this.progress.hidden = true;
    this.stopButton.hidden = true;
    this.goOnButton.hidden = !this.held.length;
    // The heading of the results counts them too: this is for screen readers, unless a button belongs to it
    this.status.classList.toggle('cc-hidden', this.goOnButton.hidden && this.undoButton.hidden);
  }

  showOutcome() {
    const [answered, failed] = ['done', 'error'].map(state => this.finished.filter(o => o.state === state).length);
    const sentences = [];
    if (this.removed) sentences.push(this.say(this.removed.key, this.removed.values));
    else if (failed) sentences.push(`${this.say('answered_failed', { answered, failed })}.`);
    else if (answered) sentences.push(this.say.count('looked', answered));
    if (this.held.length) sentences.push(this.say.count('held', this.held.length));
    this.showStatus(sentences.join(' '));
  }

  stop() {
    this.forgetRemoved();
    const waiting = this.queue.splice(0);
    this.held.push(...[this.current, ...waiting].filter(Boolean));
    for (const picture of waiting) picture.change('stopped');
    this.abort?.abort();
  }

  goOn() {
    this.forgetRemoved();
    const pictures = this.held.splice(0);
    for (const picture of pictures) picture.change('waiting');
    this.queue.push(...pictures);
    this.work();
  }

  remove(picture) {
    const isOther = other => other !== picture;
    this.rememberRemoved('removed', [picture], { name: picture.name });
    this.pictures = this.pictures.filter(isOther);
    this.held = this.held.filter(isOther);
    this.finished = this.finished.filter(isOther);
    this.store.drop(picture.number);
    const neighbour = this.results.remove(picture);
    this.afterRemoval(neighbour ?? this.intake);
  }

  clear() {
    this.stop();
    this.rememberRemoved('cleared', this.pictures);
    this.pictures = [];
    this.held = [];
    this.finished = [];
    this.store.clear();
    this.results.show([]);
    this.afterRemoval(this.intake);
  }

  // `key` of the text that says what was done to `pictures`
  rememberRemoved(key, pictures, values = {}) {
    this.forgetRemoved();
    const { pictures: before, held, finished } = this;
    this.removed = { key, values, pictures, state: { pictures: before, held, finished } };
  }

  forgetRemoved() {
    for (const picture of this.removed?.pictures ?? []) picture.forget();
    this.removed = null;
  }

  undo() {
    const { pictures, state } = this.removed;
    this.removed = null;
    Object.assign(this, state);
    for (const picture of pictures) {
      this.rebuildPicture(picture); // the language may be another one
      this.store.restore(picture);
    }
    this.results.show(this.pictures);
    this.afterRemoval({ focus: () => this.results.focus(pictures[0]) });
  }

  afterRemoval(next) {
    this.drawUse();
    if (!this.current) this.showOutcome();
    next.focus();
  }

  showLost() {
    this.lost.hidden = false;
    this.lost.replaceChildren(this.say('lost'), button(this.say('reload'), () => location.reload()));
    this.stop();
  }
}
