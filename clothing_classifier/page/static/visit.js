// A visit: its pictures, those that still wait, and what is going on
import { button, element, megabytes, translator, VisitorError, writeNumbersIn } from './dom.js';
import { parameter } from './address.js';
import { Foot } from './foot.js';
import { Intake } from './intake.js';
import { firstLanguage, languageSwitch } from './language.js';
import { Picture } from './picture.js';
import { PART_SIZE, Requests } from './requests.js';
import { Results } from './results.js';

export class Visit {
  constructor(model) {
    this.about = model.get('about');
    this.requests = new Requests(model);
    this.pictures = [];
    this.queue = [];
    this.finished = 0; // pictures since the queue was last empty
    this.looked = 0; // pictures when it was
    const isPhone = navigator.maxTouchPoints && matchMedia('(max-width:1000px)').matches;
    const attributes = { 'data-lm-suppress-shortcuts': 'true' };
    this.node = element('main', { className: isPhone ? 'cc cc-touch' : 'cc', attributes });
    this.speak(firstLanguage(this.about));
  }

  // Shows the page in a language, with everything that is on it
  speak(language) {
    const { texts, title } = this.about.languages[language];
    this.language = language;
    this.say = translator(texts, language);
    this.categoryName = category => texts[`category_${category}`] || category || '';
    writeNumbersIn(language);
    this.node.lang = language;
    if (document.body.dataset.voila) {
      document.documentElement.lang = language;
      document.title = title;
    }
    this.rebuild();
  }

  rebuild() {
    const wasLost = this.lost && !this.lost.hidden;
    const view = this.results?.view;
    this.stopListening?.();
    this.node.replaceChildren(this.page());
    this.stopListening = this.intake.listen();
    for (const picture of this.pictures) this.rebuildPicture(picture);
    this.results.add(this.pictures);
    if (view) this.results.show(view);
    if (wasLost) this.showLost();
    if (this.current) this.showProgress(0);
    else if (this.looked) this.showStatus(this.say.count('looked', this.looked));
  }

  rebuildPicture(picture) {
    if (picture.example) picture.name = this.exampleName(picture.example);
    picture.rebuild();
  }

  page() {
    const { say, about } = this;
    const { title, sentence } = about.languages[this.language];
    this.status = element('div', { className: 'cc-status', attributes: { role: 'status' } });
    this.progress = element('progress', { max: 1, hidden: true, attributes: { 'aria-label': say('visit') } });
    this.stopButton = button(say('stop'), () => this.stop());
    this.stopButton.hidden = true;
    this.lost = element('div', { className: 'cc-lost', hidden: true, attributes: { role: 'alert' } });
    this.intake = new Intake(this, this.intake?.url.value);
    this.results = new Results(this);
    this.foot = new Foot(this);
    return element('div', { className: 'cc-page' },
      languageSwitch(this),
      element('h1', { textContent: title }),
      element('p', { textContent: sentence }),
      this.intake.area,
      this.intake.strip,
      this.lost,
      element('div', { className: 'cc-now' }, this.status, this.progress, this.stopButton),
      this.results.node,
      this.foot.node);
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
    this.addLink(url);
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
    this.looked = this.finished;
    this.finished = 0;
    this.showStatus(this.say.count('looked', this.looked));
  }

  async classify(picture) {
    const most = this.about.max_mb;
    const size = picture.blob?.size || 0;
    if (size > most * 1e6) return picture.fail(new VisitorError('too_big', { mb: megabytes(size), most }));
    await picture.classify();
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
    for (const picture of waiting) picture.fail(new VisitorError('stopped'));
    this.stopButton.hidden = true;
  }

  clear() {
    this.stop();
    for (const picture of this.pictures) picture.forget();
    this.pictures = [];
    this.looked = 0;
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
