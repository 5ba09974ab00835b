// What anywidget calls to show the page
import { Visit } from './visit.js';

export async function render({ model, el }) {
  const visit = new Visit(model);
  await visit.restore();
  el.replaceChildren(visit.node);
  visit.addShared();
  return () => visit.stopListening();
}

export default { render };
