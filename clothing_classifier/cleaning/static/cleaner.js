// The cleaning page. It holds no state: it draws `cards` and `state`, and sends the name of the button that was pressed.

/** An element with its properties, attributes and children. */
function create(tag, { attributes = {}, ...properties } = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children.flat());
  return element;
}

/** A select with a label; choosing changes what is listed. */
function choiceBox(name, { text, options }, chosen, send) {
  const select = create(
    'select',
    {
      attributes: { 'data-pick': name },
      onchange: () => send('show', { [name]: select.value }),
    },
    options.map(([value, label]) => create('option', { value, textContent: label, selected: value === chosen })),
  );
  return create('label', {}, text, select);
}

/** The buttons of a card: keep, move to the suggestion or to another category, reject. */
function cardButtons(card, categories, send) {
  const button = (act, to, text, title = '') =>
    create('button', {
      textContent: text,
      title,
      onclick: () => send('mark', { sha1: card.sha1, to }),
      attributes: { 'data-act': act, 'data-to': to },
    });
  const canMove = categories.includes(card.suggestion) && card.suggestion !== card.category;
  const others = categories.filter((name) => name !== card.category && name !== card.suggestion);
  const select = create(
    'select',
    {
      attributes: { 'data-act': 'other', 'aria-label': 'Move to another category' },
      onchange: () => {
        if (select.value) send('mark', { sha1: card.sha1, to: select.value });
      },
    },
    create('option', { value: '', textContent: canMove ? 'Other …' : 'Move to …' }),
    others.map((name) => create('option', { value: name, textContent: name })),
  );
  const keep = button('keep', card.category, 'Keep');
  const reject = button('reject', card.reject, 'Reject', card.reject);
  if (!canMove) return [keep, select, reject];
  const move = button('move', card.suggestion, `→ ${card.suggestion}`, `Move to ${card.suggestion}`);
  return [keep, move, reject, select];
}

/** A picture, its given category, the reason for doubt, and what can be done. */
function drawCard(card, categories, send) {
  const picture = card.src
    ? create('img', {
        src: card.src,
        alt: `given as ${card.category}`,
        title: 'Show it large',
        onclick: () => send('enlarge', { sha1: card.sha1 }),
      })
    : create('div', { className: 'cl-none', textContent: 'cannot be shown' });
  const sure = create('small', {
    textContent: card.suggestion === card.category ? '' : `${card.sure} % sure`,
    title: 'How sure the suggestion is',
  });
  const test = create('div', {
    className: 'cl-test',
    textContent: 'Test picture: a new label changes the measured accuracy',
  });
  return create(
    'article',
    {
      className: 'cl-card',
      tabIndex: 0,
      attributes: {
        'data-sha1': card.sha1,
        'data-category': card.category,
        'data-split': card.split,
        'data-suggestion': card.suggestion,
        'data-reject': card.reject,
        'aria-label': `${card.category}: ${card.reason}`,
      },
    },
    picture,
    create('div', { className: 'cl-head' }, card.category, sure),
    create('div', { className: 'cl-why', textContent: card.reason }),
    card.split === 'test' ? test : [],
    create('div', { className: 'cl-mark' }),
    create('div', { className: 'cl-acts' }, cardButtons(card, categories, send)),
  );
}

function kindOfMark(to, category) {
  if (!to) return '';
  if (to === category) return 'keep';
  return to.startsWith('rejected/') ? 'reject' : 'move';
}

/** Show the mark of a card. */
function paint(element, to) {
  const kind = kindOfMark(to, element.dataset.category);
  const texts = { '': '', keep: 'Kept', reject: 'Rejected', move: `→ ${to}` };
  element.className = `cl-card ${kind}`;
  element.dataset.mark = to || '';
  element.querySelector('.cl-mark').textContent = texts[kind];
  for (const button of element.querySelectorAll('button')) {
    button.setAttribute('aria-pressed', button.dataset.to === to);
  }
  const select = element.querySelector('select');
  const listed = [...select.options].some((option) => option.value === to);
  select.value = listed ? to : '';
}

/** What a key does: arrows go from card to card, letters and digits mark. */
function onKey(event, root, model, send) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (/^(SELECT|INPUT|DIALOG)$/.test(event.target.tagName)) return;
  const cards = [...root.querySelectorAll('.cl-card')];
  const here = event.target.closest('.cl-card');
  const at = cards.indexOf(here);
  const { page, categories } = model.get('state');
  const columns = cards.filter((card) => card.offsetTop === cards[0].offsetTop).length;
  const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns };

  const goTo = (i) => cards[Math.max(0, Math.min(cards.length - 1, i))]?.focus();
  const mark = (to) => {
    if (!here || !to) return;
    send('mark', { sha1: here.dataset.sha1, to, on: true });
    goTo(at + 1);
  };
  const actions = {
    n: () => send('show', { page: page + 1 }),
    p: () => send('show', { page: page - 1 }),
    k: () => mark(here?.dataset.category),
    m: () => mark(here?.dataset.suggestion),
    r: () => mark(here?.dataset.reject),
    u: () => here && send('mark', { sha1: here.dataset.sha1, to: '' }),
    z: () => here && send('enlarge', { sha1: here.dataset.sha1 }),
  };
  const key = event.key.toLowerCase();
  if (event.key in steps) goTo(at < 0 ? 0 : at + steps[event.key]);
  else if (/^[1-9]$/.test(key)) mark(categories[key - 1]);
  else if (key in actions) actions[key]();
  else return;
  event.preventDefault();
}

/** The keys, in words. */
function keyHints(categories) {
  const hint = (text, ...keys) =>
    create(
      'span',
      {},
      keys.map((key) => create('kbd', { textContent: key })),
      ` ${text}`,
    );
  return create(
    'div',
    { className: 'cl-keys' },
    hint('go', '←', '↑', '→', '↓'),
    hint('keep', 'K'),
    hint('take the suggestion', 'M'),
    hint('reject', 'R'),
    categories.slice(0, 9).map((name, i) => hint(name, i + 1)),
    hint('unmark', 'U'),
    hint('show large', 'Z'),
    hint('page', 'P', 'N'),
  );
}

/** What stands above the cards: choices, accept all, rank again. */
function drawTools(state, typedPercent, send) {
  const percent = create('input', {
    type: 'number',
    min: 1,
    max: 100,
    value: typedPercent || state.above,
    attributes: { 'aria-label': 'Percent' },
  });
  const accept = create('button', {
    textContent: 'Accept',
    disabled: state.busy,
    onclick: () => send('accept', { above: Number(percent.value) }),
    attributes: { 'data-do': 'accept' },
  });
  const rank = create('button', {
    textContent: 'Rank again',
    disabled: state.busy,
    onclick: () => send('rank'),
    attributes: { 'data-do': 'rank' },
  });
  return [
    ...Object.entries(state.choices).map(([name, choice]) => choiceBox(name, choice, state[name], send)),
    create(
      'label',
      {},
      'Accept all suggestions above, in %',
      create('span', { className: 'cl-accept' }, percent, accept),
    ),
    rank,
  ];
}

/** The bar at the bottom: counts, apply and undo; or the plan, to be confirmed. */
function drawFooter(state, send) {
  const button = (act, text, disabled, className = '') =>
    create('button', {
      textContent: text,
      disabled: disabled || state.busy,
      className,
      onclick: () => send(act),
      attributes: { 'data-do': act },
    });
  if (state.plan) {
    const plan = create(
      'div',
      { className: 'cl-plan' },
      create('strong', { textContent: 'This will happen:' }),
      create(
        'ul',
        {},
        state.plan.map((sentence) => create('li', { textContent: sentence })),
      ),
      button('apply', 'Move the files', false, 'cl-main'),
      ' ',
      button('cancel', 'Cancel'),
    );
    return [plan];
  }
  const counts = create('strong', { textContent: state.counts, attributes: { 'data-counts': '' } });
  const message = create('div', { textContent: state.message, attributes: { 'data-message': '' } });
  return [
    create('div', { className: 'cl-say', attributes: { role: 'status' } }, counts, state.message ? message : []),
    button('ask', 'Apply …', !state.moves, 'cl-main'),
    button('undo', 'Undo last', !state.applied),
    button('undo_all', 'Undo all', !state.applied),
  ];
}

/** Previous and next page. */
function drawPager(state, send) {
  const button = (name, text, page) =>
    create('button', {
      textContent: text,
      disabled: page < 0 || page >= state.pages,
      onclick: () => send('show', { page }),
      attributes: { 'data-do': name },
    });
  return [
    button('previous', '‹ Previous', state.page - 1),
    create('span', { textContent: state.where }),
    button('next', 'Next ›', state.page + 1),
  ];
}

/** What is shown instead of cards. */
function drawEmpty(state) {
  if (!state.busy) return ['No picture is like that. Choose something else above.'];
  const progress = create('progress', {
    max: 100,
    value: state.progress,
    attributes: { 'aria-label': 'Looking at the pictures' },
  });
  return [progress, state.message];
}

function render({ model, el }) {
  const send = (act, values = {}) => model.send({ act, ...values });
  const part = (className) => create('div', { className });
  const tools = part('cl-tools');
  const grid = part('cl-grid');
  const pager = part('cl-pager');
  const footer = part('cl-in');
  const image = create('img', { alt: '' });
  const dialog = create(
    'dialog',
    {
      className: 'cl-big',
      onclick: () => dialog.close(),
      attributes: { 'aria-label': 'The picture, large' },
    },
    image,
  );
  const root = create(
    'div',
    {
      className: 'cl',
      onkeydown: (event) => onKey(event, root, model, send),
      attributes: { 'data-lm-suppress-shortcuts': 'true' },
    },
    create(
      'div',
      { className: 'cl-in' },
      create('h1', { textContent: 'Which labels are wrong?' }),
      create('p', {
        textContent:
          'The most suspicious pictures come first. Marks are kept at once; ' +
          'no file moves before you apply, and every move can be undone.',
      }),
      keyHints(model.get('state').categories),
      tools,
      grid,
      pager,
    ),
    create('div', { className: 'cl-foot' }, footer),
    dialog,
  );

  const drawState = () => {
    const state = model.get('state');
    const focused = document.activeElement?.dataset || {};
    const typedPercent = tools.querySelector('input')?.value;
    tools.replaceChildren(...drawTools(state, typedPercent, send));
    pager.replaceChildren(...drawPager(state, send));
    footer.replaceChildren(...drawFooter(state, send));
    for (const card of grid.querySelectorAll('.cl-card')) paint(card, state.marks[card.dataset.sha1]);
    grid.querySelector('.cl-empty')?.replaceChildren(...drawEmpty(state));
    root.setAttribute('aria-busy', state.busy);
    if (focused.do) root.querySelector(`[data-do="${focused.do}"]:enabled`)?.focus();
    else if (focused.pick) root.querySelector(`[data-pick="${focused.pick}"]`)?.focus();
  };

  const drawCards = () => {
    const hadFocus = grid.contains(document.activeElement);
    const { categories } = model.get('state');
    const cards = model.get('cards').map((card) => drawCard(card, categories, send));
    grid.replaceChildren(...(cards.length ? cards : [part('cl-empty')]));
    drawState();
    if (hadFocus) grid.firstElementChild?.focus();
  };

  const onMessage = (message) => {
    if (!message.enlarged || !root.isConnected || dialog.open) return;
    image.src = message.src;
    dialog.showModal();
  };

  model.on('msg:custom', onMessage);
  model.on('change:cards', drawCards);
  model.on('change:state', drawState);
  drawCards();
  el.replaceChildren(root);
}

export default { render };
