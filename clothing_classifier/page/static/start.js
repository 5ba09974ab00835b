// Starts the page that the server sends before it has a kernel
import { PageModel } from './page_model.js';
import { render } from './page.js';

const model = new PageModel(JSON.parse(document.getElementById('about').textContent));
model.connect();
render({ model, el: document.getElementById('page') });
