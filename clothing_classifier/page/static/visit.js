// A visit: its pictures, those that still wait, and what is going on
import { button, element, megabytes, translator, VisitorError } from './dom.js';
import { Intake } from './intake.js';
import { Picture } from './picture.js';
import { PART_SIZE, Requests } from './requests.js';
import { Results } from './results.js';

export class Visit {
  constructor(model) {
    const { texts, language, ...about } = model.get('about');
    this.about = about;
    this.say = translator(texts, language);
    this.categoryName = category => about.categories[category] || category || '';
    this.requests = new Requests(model, this.say);
    this.pictures = [];
    this.queue = [];
    this.finished = 0; // pictures since the queue was last empty
    this.node = this.page();
    document.documentElement.lang = language;
    document.title = about.title;
    model.on('connection', state => this.showConnection(state));
    model.on('change:about', () => this.update(model.get('about')));
  }

  // The notebook may have its own title and sentence, which arrive with its kernel
  update(about) {
    const { title, sentence } = about;
    this.about = about;
    this.heading.textContent = title;
    this.sentenceBelow.textContent = sentence;
    document.title = title;
  }

  showConnection(state) {
    const sentences = { lost: 'connecting', full: 'full' };
    this.lost.hidden = !(state in sentences);
    if (!this.lost.hidden) this.lost.replaceChildren(this.say(sentences[state]));
  }

  page() {
    const { say, about } = this;
    const isPhone = navigator.maxTouchPoints && matchMedia('(max-width:1000px)').matches;
    this.heading = element('h1', { textContent: about.title });
    this.sentenceBelow = element('p', { textContent: about.sentence });
    this.status = element('div', { className: 'cc-status', attributes: { role: 'status' } });
    this.progress = element('progress', { max: 1, hidden: true, attributes: { 'aria-label': say('visit') } });
    this.stopButton = button(say('stop'), () => this.stop());
    this.stopButton.hidden = true;
    this.lost = element('div', { className: 'cc-lost', hidden: true, attributes: { role: 'alert' } });
    this.intake = new Intake(this);
    this.results = new Results(this);
    const attributes = { 'data-lm-suppress-shortcuts': 'true' };
    return element('main', { className: isPhone ? 'cc cc-touch' : 'cc', attributes },
      element('div', { className: 'cc-page' },
        this.heading,
        this.sentenceBelow,
        this.intake.area,
        this.intake.strip,
        this.lost,
        element('div', { className: 'cc-now' }, this.status, this.progress, this.stopButton),
        this.results.node));
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
    this.pictures.unshift(...pictures);
    this.queue.push(...pictures);
    this.results.add(pictures);
    this.work();
  }

  async work() {
    if (this.current) return;
    while ((this.current = this.queue.shift())) {
      this.showProgress(0);
      await this.classify(this.current);
      this.finished++;
    }
    this.showStatus(this.say.count('looked', this.finished));
    this.finished = 0;
  }

  async classify(picture) {
    const most = this.about.max_mb;
    const size = picture.blob?.size || 0;
    if (size <= most * 1e6) return picture.classify();
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
    const n = this.finished + 1 + this.queue.length;
    const which = n > 1 ? ` · ${this.say('of', { i: this.finished + 1, n })}` : '';
    this.showStatus(`${this.say(isSending ? 'sending' : 'looking', { name })}${which} …`, true);
    this.progress.value = (this.finished + part) / n;
    this.progress.hidden = n === 1 && !isSending;
    this.stopButton.hidden = !this.queue.length;
  }

  showStatus(text, busy = false) {
    this.status.textContent = text;
    this.status.className = busy ? 'cc-status cc-busy' : 'cc-status';
    if (busy) return;
    this.progress.hidden = true;
    this.stopButton.hidden = true;
  }

  stop() {
    const waiting = this.queue.splice(0);
    for (const picture of waiting) picture.fail(new VisitorError(this.say('stopped')));
    this.stopButton.hidden = true;
  }

  clear() {
    this.stop();
    for (const picture of this.pictures) picture.forget();
    this.pictures = [];
    this.status.textContent = '';
    this.results.clear();
    this.intake.focus();
  }

  showLost() {
    this.lost.hidden = false;
    this.lost.replaceChildren(this.say('lost'), button(this.say('reload'), () => location.reload()));
    this.stop();
  }
}
