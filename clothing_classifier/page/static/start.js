// Starts the page: shows the one widget of the notebook without Voila's own scripts, or leaves all to them
import { KernelChannel } from './kernel_channel.js';

const VIEW = 'application/vnd.jupyter.widget-view+json';
const OUTPUTS = 'script[type="application/vnd.voila.cell-output+json"]';

function loadVoila() {
  const script = document.createElement('script');
  script.src = document.body.dataset.voilaScript;
  document.body.append(script);
}

// The part of anywidget's model that the page uses
function widgetModel(channel, comm, state) {
  const listeners = {};
  channel.onMessage = ({ content, buffers }) => {
    if (content.comm_id !== comm || content.data.method !== 'custom') return;
    for (const listener of listeners['msg:custom'] || []) listener(content.data.content, buffers);
  };
  return {
    get: name => state[name],
    on: (event, listener) => (listeners[event] ??= []).push(listener),
    send: (content, _, buffers) => channel.send(comm, { method: 'custom', content }, buffers),
  };
}

async function show(state, el, model) {
  const style = document.createElement('style');
  style.textContent = state._css;
  document.head.append(style);
  const url = URL.createObjectURL(new Blob([state._esm], { type: 'text/javascript' }));
  const module = await import(url);
  URL.revokeObjectURL(url);
  module.default.render({ model, el });
  document.getElementById('rendered_cells').style.display = '';
}

function start() {
  const { baseUrl, kernelId } = JSON.parse(document.getElementById('jupyter-config-data').textContent);
  const outputs = [...document.querySelectorAll(OUTPUTS)];
  const view = outputs.length === 1 && JSON.parse(outputs[0].textContent).data?.[VIEW];
  if (!view) return loadVoila();

  const comm = view.model_id;
  const channel = new KernelChannel(new URL(baseUrl, location.href).href, kernelId);
  channel.onMessage = ({ content }) => {
    const { method, state } = content.data;
    if (content.comm_id !== comm || method !== 'update' || state._model_module === undefined) return;
    if (state._model_module === 'anywidget') {
      show(state, outputs[0].parentElement, widgetModel(channel, comm, state));
    } else {
      channel.close();
      loadVoila();
    }
  };
  channel.send(comm, { method: 'request_state' });
  window.addEventListener('pagehide', event => event.persisted || channel.endKernel());
}

start();
