// What the server says is shown as text, never as HTML
const find = selector => document.querySelector(selector);

function append(parent, tag, text = '', className = '') {
  const element = document.createElement(tag);
  element.textContent = text;
  element.className = className;
  parent.append(element);
  return element;
}

function addArticle(name, source) {
  const article = document.createElement('article');
  const left = append(article, 'div');
  const right = append(article, 'div');
  if (source) {
    const image = append(left, 'img');
    image.alt = '';
    image.onerror = () => image.remove(); // a format that this browser cannot show
    image.src = source;
  }
  append(right, 'p', name);
  find('#answers').prepend(article);
  return right;
}

function addBar(parent, category, probability) {
  const row = append(parent, 'div', '', 'row');
  append(row, 'span', category);
  const bar = append(row, 'progress');
  bar.max = 1;
  bar.value = probability;
  bar.setAttribute('aria-label', category);
  append(row, 'span', `${(100*probability).toFixed(1)} %`);
}

function showAnswer(parent, answer) {
  append(parent, 'h2', answer.known ? answer.category : 'probably none of these');
  for (const [category, probability] of Object.entries(answer.probabilities)) addBar(parent, category, probability);
}

function showError(parent, text) { append(parent, 'h2', text, 'bad'); }

function headers(type) {
  const token = find('#token').value;
  return {...(type && {'Content-Type': type}), ...(token && {Authorization: `Bearer ${token}`})};
}

async function classify(name, source, body, type) {
  const parent = addArticle(name, source);
  find('#status').textContent = `Classifying ${name} …`;
  try {
    const response = await fetch('v1/predict', {method: 'POST', headers: headers(type), body});
    const answer = await response.json();
    if (response.ok) showAnswer(parent, answer.results[0]);
    else showError(parent, answer.detail);
  } catch {
    showError(parent, 'The server cannot be reached. Try again.');
  }
  find('#status').textContent = '';
}

async function classifyFiles(files) {
  for (const file of files) {
    const form = new FormData();
    form.append('files', file);
    await classify(file.name, URL.createObjectURL(file), form);
  }
}

const drop = find('.drop');
for (const type of ['dragover', 'dragleave', 'drop']) {
  drop.addEventListener(type, event => {
    event.preventDefault();
    drop.classList.toggle('over', type == 'dragover');
  });
}
drop.addEventListener('drop', event => classifyFiles(event.dataTransfer.files));
find('#file').addEventListener('change', event => classifyFiles(event.target.files));
addEventListener('paste', event => classifyFiles(event.clipboardData.files));
find('form').addEventListener('submit', event => {
  event.preventDefault();
  const url = find('#url').value;
  if (url) classify(url, '', JSON.stringify({url}), 'application/json');
});
