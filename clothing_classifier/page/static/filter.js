// How many pictures got which answer; one of the answers can be looked at alone
import { button, element } from './dom.js';

export class Filter {
  constructor(visit, onChange) {
    this.visit = visit;
    this.onChange = onChange;
    this.chosen = 'all';
    this.chips = new Map(); // outcome -> its button
    const { say, about } = visit;
    const attributes = { role: 'group', 'aria-label': say('filter') };
    this.node = element('div', { className: 'cc-chips', attributes });
    this.addChip('all', say('all'));
    for (const category of about.categories) this.addChip(`answer ${category}`);
    this.addChip('answer unknown', say('unknown'));
    this.addChip('failed', say('failed'));
    this.addChip('waiting', say('waiting'));
  }

  addChip(outcome, text = this.visit.categoryName(outcome.replace('answer ', ''))) {
    const chip = button(`${text} `, () => this.choose(outcome), { 'data-outcome': outcome });
    chip.append(element('span', { className: 'cc-number' }));
    this.chips.set(outcome, chip);
    this.node.append(chip);
  }

  choose(outcome) {
    this.chosen = outcome;
    this.onChange();
  }

  matches(picture) {
    return this.chosen === 'all' || picture.outcome === this.chosen;
  }

  draw(pictures) {
    const counts = new Map([['all', pictures.length]]);
    for (const { outcome } of pictures) counts.set(outcome, (counts.get(outcome) || 0) + 1);
    for (const outcome of counts.keys()) if (!this.chips.has(outcome)) this.addChip(outcome);
    if (!counts.has(this.chosen)) this.chosen = 'all';
    for (const [outcome, chip] of this.chips) {
      chip.hidden = !counts.has(outcome);
      chip.lastChild.textContent = counts.get(outcome);
      chip.ariaPressed = String(outcome === this.chosen);
    }
    this.node.hidden = pictures.length < 2;
  }
}
