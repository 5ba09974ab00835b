// Requests to the kernel, one after another; files travel in parts
import { VisitorError } from './dom.js';

export const PART_SIZE = 262144; // bytes
const PARTS_AHEAD = 4; // sent before the kernel confirms the first of them
const SLOW_PART_SIZE = 65536; // one at a time; a slow line confirms it within the silence that the heartbeat bears
const FAST = 262144; // bytes a second
const ATTEMPTS = 3;
const SECONDS_UNTIL_HEARD = 5; // the kernel confirms the start of a file at once
const SECONDS_FOR_PART = 30;
const SECONDS_FOR_ANSWER = 120;

async function readPart(blob, start, size) {
  try {
    return await blob.slice(start, start + size).arrayBuffer();
  } catch {
    throw new VisitorError('unreadable');
  }
}

// Rejects as soon as the visitor stops it
function unlessAborted(promise, signal) {
  if (!signal) return promise;
  signal.throwIfAborted();
  const aborted = new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
  return Promise.race([promise, aborted]);
}

export class Requests {
  constructor(model) {
    this.model = model;
    this.lastId = 0;
    this.isFast = false; // the line, as far as it is known
    this.receivers = new Map();
    this.previous = Promise.resolve();
    model.on('msg:custom', (message, buffers) => this.receivers.get(message.id)?.({ ...message, buffers }));
    model.on('connection', state => state === 'lost' && this.breakOff());
  }

  // The answer to `request`; it waits for the requests before it. An AbortSignal stops it
  ask(request, blob = null, onProgress = () => {}, signal = null) {
    const answer = this.previous.then(() => this.repeat(request, blob, onProgress, signal));
    this.previous = answer.catch(() => {});
    return answer;
  }

  async repeat(request, blob, onProgress, signal) {
    for (let attempt = 1; ; attempt++) {
      const isLast = attempt === ATTEMPTS;
      await unlessAborted(this.model.ready?.(), signal);
      try {
        return await this.attempt(request, blob, onProgress, isLast, signal);
      } catch (error) {
        if (!error.unheard || isLast || signal?.aborted) throw error;
      }
    }
  }

  async attempt(request, blob, onProgress, isLast, signal) {
    const id = `${++this.lastId}`;
    const next = this.receive(id);
    const size = blob?.size || 0;
    let message = {};
    let received = 0;
    let heard = !size || isLast;
    const begun = performance.now();

    const hear = async seconds => {
      try {
        message = await unlessAborted(next(heard ? seconds : SECONDS_UNTIL_HEARD), signal);
      } catch (error) {
        error.unheard ||= !heard;
        throw error;
      }
      heard = true;
      if (message.error) throw new VisitorError(message.error, message.values);
      received = message.received ?? received;
      if (received) this.isFast = (1000 * received) / (performance.now() - begun) > FAST;
      if (received < size) onProgress(received / size);
    };

    try {
      this.model.send({ ...request, do: 'start', id, size });
      for (let start = 0; start < size;) {
        while (start - received >= this.bytesAhead()) await hear(SECONDS_FOR_PART);
        const part = await readPart(blob, start, this.isFast ? PART_SIZE : SLOW_PART_SIZE);
        this.model.send({ do: 'part', id }, undefined, [part]);
        start += part.byteLength;
      }
      while (!message.done) await hear(received < size ? SECONDS_FOR_PART : SECONDS_FOR_ANSWER);
      return message;
    } finally {
      this.receivers.delete(id);
    }
  }

  // How much is sent before the kernel confirms it
  bytesAhead() {
    return this.isFast ? PARTS_AHEAD * PART_SIZE : SLOW_PART_SIZE;
  }

  // The kernel is lost with what it was asked: that is said again
  breakOff() {
    this.isFast = false;
    for (const receive of this.receivers.values()) receive({ broken: true });
  }

  // A function that waits for the next message about the request `id`
  receive(id) {
    const messages = [];
    let wake = null;
    this.receivers.set(id, message => {
      messages.push(message);
      wake?.();
    });
    return seconds => new Promise((resolve, reject) => {
      const lost = Object.assign(new VisitorError('lost'), { lost: true });
      const timer = setTimeout(() => reject(lost), seconds * 1000);
      wake = () => {
        if (!messages.length) return;
        clearTimeout(timer);
        wake = null;
        const message = messages.shift();
        if (message.broken) reject(Object.assign(lost, { unheard: true }));
        else resolve(message);
      };
      wake();
    });
  }
}
