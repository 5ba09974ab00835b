// What anywidget calls to show the page
import { Visit } from './visit.js';

export function render({ model, el }) {
  const visit = new Visit(model);
  el.replaceChildren(visit.node);
  document.getElementById('loading')?.remove();
  visit.addShared();
  return () => visit.stopListening();
}

export default { render };
