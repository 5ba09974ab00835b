// One picture of the visit: its file or link, its answer, and the views that show both
import { Card } from './card.js';
import { Row } from './table.js';

let lastNumber = 0;

// Numbers grow, over a reload too
function nextNumber() {
  lastNumber = Math.max(lastNumber + 1, Date.now());
  return lastNumber;
}

function jpeg(buffer) {
  return new Blob([buffer], { type: 'image/jpeg' });
}

export class Picture {
  constructor(visit, name, blob = null, url = null, kept = {}) {
    const { number = nextNumber(), batch = number, answer = null, thumbnail = null } = kept;
    const { mistake = null, example = null, said = null } = kept; // `said`: the category in the visitor's correction
    Object.assign(this, { visit, name, blob, url, number, batch, answer, thumbnail, mistake, example, said });
    this.state = answer ? 'done' : mistake ? 'error' : 'waiting';
    this.isShowable = blob !== null && blob.size <= visit.about.max_mb * 1e6; // until the browser cannot show it
    this.addresses = new Map(); // blob -> its URL
    this.rebuild();
  }

  // A new card and a new row, in the language of the visit
  rebuild() {
    this.card = new Card(this);
    this.row = new Row(this);
    this.views = new Set([this.card, this.row]);
    this.draw();
  }

  // What it counts as: its answer, or why there is none
  get outcome() {
    if (this.error) return 'failed';
    return this.answer ? `answer ${this.answer.answer}` : 'waiting';
  }

  async classify(signal) {
    this.change('busy');
    try {
      const onProgress = part => this.visit.showProgress(part);
      const { buffers, ...answer } = await this.ask('answer', { name: this.name }, onProgress, signal);
      this.answer = answer;
      this.thumbnail = jpeg(buffers[0]);
      this.change('done');
    } catch (error) {
      if (error.lost) this.visit.showLost();
      if (signal.aborted) this.change('stopped');
      else this.fail(error);
    }
  }

  // A request about the file, or about what is behind the link
  ask(what, values, onProgress, signal) {
    return this.visit.requests.ask({ what, url: this.url, ...values }, this.blob, onProgress, signal);
  }

  // Places and heat map; asked for once
  explain() {
    this.reason ??= this.askReason().catch(error => {
      this.reason = null;
      throw error;
    });
    return this.reason;
  }

  async askReason() {
    const { category, sha1 } = this.answer;
    const { places, buffers } = await this.ask('explain', { category, sha1 });
    return { places, heatMap: jpeg(buffers[0]) };
  }

  fail(error) {
    const { key, values } = this.visit.mistake(error);
    this.mistake = { key, values };
    this.change('error');
  }

  get error() {
    return this.mistake && this.visit.say(this.mistake.key, this.mistake.values);
  }

  change(state) {
    this.state = state;
    this.draw();
    this.visit.changed(this);
  }

  draw() {
    for (const view of this.views) view.draw();
  }

  address(blob) {
    if (!this.addresses.has(blob)) this.addresses.set(blob, URL.createObjectURL(blob));
    return this.addresses.get(blob);
  }

  async correct(category) {
    const { answer, sha1 } = this.answer;
    await this.ask('correct', { category, answer, sha1 });
    this.said = category;
    this.change('done');
  }

  forget() {
    for (const address of this.addresses.values()) URL.revokeObjectURL(address);
  }
}
