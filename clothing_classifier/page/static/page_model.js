// The widget of the visitor's kernel; when the kernel is lost, another one takes its place
import { KernelChannel } from './kernel_channel.js';

const SECONDS_UNTIL_NEXT_TRY = 0.3;
const SECONDS_WHEN_FULL = 5;

function seconds(n) {
  return new Promise(resolve => setTimeout(resolve, 1000 * n));
}

// A visitor who does not look needs no kernel
function visible() {
  if (!document.hidden) return Promise.resolve();
  return new Promise(resolve => {
    document.addEventListener('visibilitychange', resolve, { once: true });
  });
}

// What the page uses of anywidget's model, with an event `connection` beside: 'starting', 'lost', 'full' or 'here'
export class PageModel {
  constructor(about) {
    this.about = about;
    this.listeners = {};
    this.waiting = [];
  }

  get() {
    return this.about;
  }

  on(event, listener) {
    (this.listeners[event] ??= []).push(listener);
  }

  emit(event, ...values) {
    for (const listener of this.listeners[event] || []) listener(...values);
  }

  // Resolves when there is a kernel
  ready() {
    return this.channel ? Promise.resolve() : new Promise(resolve => this.waiting.push(resolve));
  }

  // What is sent while the kernel is lost is forgotten; `Requests` repeats it
  send(content, _, buffers) {
    this.channel?.send(this.widget, { method: 'custom', content }, buffers);
  }

  async connect() {
    await visible();
    const kernel = await this.askForKernel();
    if (!kernel.widget) return location.replace('voila'); // the notebook shows more than this page
    this.widget = kernel.widget;
    const channel = new KernelChannel(kernel.kernel);
    channel.onMessage = message => this.receive(channel, message);
    channel.onLost = () => this.lose();
    channel.send(this.widget, { method: 'request_state' });
  }

  // Asks until the server is there and has room for one more
  async askForKernel() {
    for (;;) {
      const answer = await fetch('kernel').then(response => response.json()).catch(() => ({ wait: 'lost' }));
      if (!answer.wait) return answer;
      if (answer.wait === 'full') this.emit('connection', 'full');
      await seconds(answer.wait === 'full' ? SECONDS_WHEN_FULL : SECONDS_UNTIL_NEXT_TRY);
      await visible();
    }
  }

  receive(channel, { content, buffers }) {
    if (content.comm_id !== this.widget) return;
    const { method, state } = content.data;
    if (method === 'custom') this.emit('msg:custom', content.data.content, buffers);
    else if (method === 'update' && state.about) this.arrive(channel, state.about);
  }

  arrive(channel, about) {
    this.about = about;
    this.channel = channel;
    this.emit('change:about');
    this.emit('connection', 'here');
    for (const resolve of this.waiting.splice(0)) resolve();
  }

  lose() {
    this.channel = null;
    this.emit('connection', 'lost');
    this.connect();
  }
}
