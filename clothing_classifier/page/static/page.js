// What anywidget calls to show the page
import { Visit } from './visit.js';

export function render({ model, el }) {
  const visit = new Visit(model);
  if (document.body.dataset.voila) document.title = model.get('about').title;
  el.replaceChildren(visit.node);
  return visit.intake.listen();
}

export default { render };
