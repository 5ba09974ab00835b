// One picture of the visit: its file or link, its answer, its card and its row in the table
import { jpegUrl } from './dom.js';
import { Card } from './card.js';
import { Row } from './table.js';

export class Picture {
  constructor(visit, name, blob = null, url = null) {
    Object.assign(this, { visit, name, blob, url });
    this.state = 'waiting';
    this.rebuild();
  }

  // A new card and a new row, in the language of the visit
  rebuild() {
    if (this.card?.heatMap) URL.revokeObjectURL(this.card.heatMap);
    this.card = new Card(this);
    this.row = new Row(this);
    this.draw();
  }

  async classify() {
    this.change('busy');
    try {
      this.answer = await this.ask('answer', { name: this.name }, part => this.visit.showProgress(part));
      this.thumbnail = jpegUrl(this.answer.buffers[0]);
      this.change('done');
    } catch (error) {
      this.fail(error);
    }
  }

  // A request about the file, or about what is behind the link
  ask(what, values, onProgress) {
    return this.visit.requests.ask({ what, url: this.url, ...values }, this.blob, onProgress);
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
  }

  draw() {
    this.card.draw();
    this.row.draw();
  }

  forget() {
    for (const url of [this.thumbnail, this.card.heatMap]) {
      if (url) URL.revokeObjectURL(url);
    }
  }
}
