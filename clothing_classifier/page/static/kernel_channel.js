// The line between the page and its kernel: Jupyter's websocket protocol, no more of it than one widget needs

const encoder = new TextEncoder();
const decoder = new TextDecoder();

function bytes(buffer) {
  return new Uint8Array(buffer.buffer || buffer, buffer.byteOffset || 0, buffer.byteLength);
}

// A message in the protocol v1.kernel.websocket.jupyter.org: the number of parts, where each begins, the parts
function pack(channel, objects, buffers) {
  const parts = [channel, ...objects.map(object => JSON.stringify(object))].map(text => encoder.encode(text));
  parts.push(...buffers.map(bytes));
  const head = new DataView(new ArrayBuffer(8 * (parts.length + 2)));
  head.setBigUint64(0, BigInt(parts.length + 1), true);
  let at = head.byteLength;
  parts.forEach((part, i) => {
    head.setBigUint64(8 * (i + 1), BigInt(at), true);
    at += part.byteLength;
  });
  head.setBigUint64(8 * (parts.length + 1), BigInt(at), true);
  return new Blob([head, ...parts]);
}

function unpack(data) {
  const view = new DataView(data);
  const number = i => Number(view.getBigUint64(8 * i, true));
  const offsets = Array.from({ length: number(0) }, (_, i) => number(i + 1));
  const parts = offsets.slice(0, -1).map((start, i) => data.slice(start, offsets[i + 1]));
  const [, header, , , content, ...buffers] = parts;
  return {
    type: JSON.parse(decoder.decode(header)).msg_type,
    content: JSON.parse(decoder.decode(content)),
    buffers: buffers.map(buffer => new DataView(buffer)),
  };
}

export class KernelChannel {
  constructor(baseUrl, kernelId) {
    this.baseUrl = baseUrl;
    this.kernelId = kernelId;
    this.session = crypto.randomUUID?.() || String(Math.random());
    this.sent = 0;
    this.unsent = [];
    this.failures = 0;
    this.closed = false;
    this.onMessage = () => {};
    this.open();
  }

  open() {
    const url = this.baseUrl.replace(/^http/, 'ws');
    const protocol = 'v1.kernel.websocket.jupyter.org';
    this.socket = new WebSocket(`${url}api/kernels/${this.kernelId}/channels?session_id=${this.session}`, protocol);
    this.socket.binaryType = 'arraybuffer';
    this.socket.onopen = () => {
      this.failures = 0;
      for (const message of this.unsent.splice(0)) this.socket.send(message);
    };
    this.socket.onmessage = ({ data }) => {
      const message = unpack(data);
      if (message.type === 'comm_msg') this.onMessage(message);
    };
    this.socket.onclose = () => {
      if (!this.closed) this.reopenLater();
    };
  }

  reopenLater() {
    setTimeout(() => this.reopen(), 300 * 2 ** this.failures++);
  }

  // Opens the socket again if the kernel is still there
  async reopen() {
    const status = await fetch(`${this.baseUrl}api/kernels/${this.kernelId}`).then(({ status }) => status, () => 0);
    if (status >= 200 && status < 300) return this.open();
    if (status !== 404 && this.failures <= 6) return this.reopenLater();
    this.closed = true;
    window.dispatchEvent(new Event('cc-lost'));
  }

  send(comm, data, buffers = []) {
    const header = {
      msg_id: `${this.session}-${++this.sent}`,
      msg_type: 'comm_msg',
      session: this.session,
      username: '',
      date: new Date().toISOString(),
      version: '5.3',
    };
    const message = pack('shell', [header, {}, {}, { comm_id: comm, data }], buffers);
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(message);
    else this.unsent.push(message);
  }

  close() {
    this.closed = true;
    this.socket.close();
  }

  // Tells the server that the visitor has left
  endKernel() {
    const form = new FormData();
    form.set('_xsrf', document.cookie.match(/(?:^|; )_xsrf=([^;]*)/)?.[1] || '');
    this.closed = true;
    navigator.sendBeacon(`${this.baseUrl}voila/api/shutdown/${this.kernelId}`, form);
  }
}
