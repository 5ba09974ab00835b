// A visit: its pictures, those that still wait, and what is going on
import { showLarge } from './dialog.js';
import { button, element, megabytes, translator, VisitorError } from './dom.js';
import { Intake } from './intake.js';
import { Picture } from './picture.js';
import { PART_SIZE, Requests } from './requests.js';
import { Results } from './results.js';
import { Store } from './store.js';

export class Visit {
  constructor(model) {
    const { texts, language, ...about } = model.get('about');
    this.about = about;
    this.language = language;
    this.say = translator(texts, language);
    this.categoryName = category => about.categories[category] || category || '';
    this.requests = new Requests(model, this.say);
    this.store = new Store(Object.keys(about.categories));
    this.pictures = [];
    this.queue = [];
    this.held = []; // stopped before they were answered
    this.finished = []; // of those that were last queued
    this.node = this.page();
    document.documentElement.lang = language;
    document.title = about.title;
  }

  page() {
    const { say, about } = this;
    const isPhone = navigator.maxTouchPoints && matchMedia('(max-width:1000px)').matches;
    this.status = element('div', { className: 'cc-status', attributes: { role: 'status' } });
    this.progress = element('progress', { max: 1, hidden: true, attributes: { 'aria-label': say('visit') } });
    this.stopButton = button(say('stop'), () => this.stop(), { 'data-do': 'stop' });
    this.goOnButton = button(say('go_on'), () => this.goOn(), { 'data-do': 'go-on' });
    this.stopButton.hidden = this.goOnButton.hidden = true;
    this.lost = element('div', { className: 'cc-lost', hidden: true, attributes: { role: 'alert' } });
    this.intake = new Intake(this);
    this.results = new Results(this);
    const attributes = { 'data-lm-suppress-shortcuts': 'true' };
    const now = element('div', { className: 'cc-now' }, this.status, this.progress, this.stopButton, this.goOnButton);
    return element('main', { className: isPhone ? 'cc cc-touch' : 'cc', attributes },
      element('div', { className: 'cc-page' },
        element('h1', { textContent: about.title }),
        element('p', { textContent: about.sentence }),
        element('div', { className: 'cc-work' },
          this.intake.area,
          this.intake.strip,
          element('div', { className: 'cc-out' }, this.lost, now, this.results.node))));
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

  async addExample(name, src) {
    const response = await fetch(src);
    this.add([new Picture(this, name, await response.blob())]);
  }

  add(pictures) {
    if (!pictures.length) return;
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

  // After the first picture the results have most of the room, and the examples come after them
  drawUse() {
    const { area, strip } = this.intake;
    const isUsed = this.pictures.length > 0;
    if (this.node.classList.toggle('cc-used', isUsed)) area.parentElement.append(strip);
    else area.after(strip);
  }

  enlarge(picture, withHeatMap = false) {
    showLarge(picture, withHeatMap);
  }

  // A picture has another state than before
  changed(picture) {
    if (['done', 'error'].includes(picture.state)) this.store.keepAnswer(picture);
    this.results.draw();
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
    if (size <= most * 1e6) return picture.classify(signal);
    picture.fail(new VisitorError(this.say('too_big', { mb: megabytes(size), most })));
  }

  // The sentence for an error; errors that are not the visitor's are logged
  sentence(error) {
    if (error.lost) this.showLost();
    if (error instanceof VisitorError) return error.message;
    console.error(error);
    return this.say('ours');
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
    this.status.className = busy ? 'cc-status cc-busy' : 'cc-status';
    if (busy) return;
    this.progress.hidden = true;
    this.stopButton.hidden = true;
    this.goOnButton.hidden = !this.held.length;
  }

  showOutcome() {
    const [answered, failed] = ['done', 'error'].map(state => this.finished.filter(o => o.state === state).length);
    const sentences = [];
    if (failed) sentences.push(`${this.say('answered_failed', { answered, failed })}.`);
    else if (answered) sentences.push(this.say.count('looked', answered));
    if (this.held.length) sentences.push(this.say.count('held', this.held.length));
    this.showStatus(sentences.join(' '));
  }

  stop() {
    const waiting = this.queue.splice(0);
    this.held.push(...[this.current, ...waiting].filter(Boolean));
    for (const picture of waiting) picture.change('stopped');
    this.abort?.abort();
  }

  goOn() {
    const pictures = this.held.splice(0);
    for (const picture of pictures) picture.change('waiting');
    this.queue.push(...pictures);
    this.work();
  }

  remove(picture) {
    const isOther = other => other !== picture;
    this.forget([picture]);
    this.pictures = this.pictures.filter(isOther);
    this.held = this.held.filter(isOther);
    this.finished = this.finished.filter(isOther);
    this.store.drop(picture.number);
    const neighbour = this.results.remove(picture);
    this.afterRemoval(neighbour ?? this.intake);
  }

  clear() {
    this.stop();
    this.forget(this.pictures);
    this.pictures = [];
    this.held = [];
    this.finished = [];
    this.store.clear();
    this.results.clear();
    this.afterRemoval(this.intake);
  }

  forget(pictures) {
    for (const picture of pictures) picture.forget();
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
