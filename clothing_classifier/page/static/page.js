// What anywidget calls to show the page
import { Visit } from './visit.js';

export async function render({ model, el }) {
  const visit = new Visit(model);
  await visit.restore();
  if (document.body.dataset.voila) document.title = model.get('about').title;
  el.replaceChildren(visit.node);
  document.getElementById('loading')?.remove();
  return visit.intake.listen();
}

export default { render };
