// A picture and its answer, large
import { Card } from './card.js';
import { button, element } from './dom.js';

export function showLarge(picture, withHeatMap) {
  const { say, node } = picture.visit;
  const card = new Card(picture, true);
  const close = button('✕', () => dialog.close(), { 'aria-label': say('close') });
  close.className = 'cc-close';
  const attributes = { 'aria-label': picture.name };
  const dialog = element('dialog', { className: 'cc-dialog', attributes }, close, card.node);
  dialog.onclick = ({ target }) => target === dialog && dialog.close();
  dialog.onclose = () => {
    picture.views.delete(card);
    dialog.remove();
  };
  picture.views.add(card);
  card.draw();
  node.append(dialog);
  dialog.showModal();
  if (withHeatMap) card.toggleHeatMap();
}
