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

const SECONDS_BETWEEN_BEATS = 1;
const SECONDS_OF_SILENCE = 4; // after which a server that was asked for a sign of life is lost

export class KernelChannel {
  constructor(kernel) {
    this.session = crypto.randomUUID?.() || String(Math.random());
    this.sent = 0;
    this.unsent = [];
    this.onMessage = () => {};
    this.onLost = () => {};
    const url = new URL(`api/kernels/${kernel}/channels?session_id=${this.session}`, document.baseURI);
    url.protocol = url.protocol.replace('http', 'ws');
    this.open(url);
  }

  open(url) {
    this.socket = new WebSocket(url, 'v1.kernel.websocket.jupyter.org');
    this.socket.binaryType = 'arraybuffer';
    this.socket.onopen = () => {
      for (const message of this.unsent.splice(0)) this.socket.send(message);
      this.heartbeat = setInterval(() => this.beat(), SECONDS_BETWEEN_BEATS * 1000);
    };
    this.socket.onmessage = ({ data }) => {
      this.asked = null;
      if (data === 'pong') return;
      const message = unpack(data);
      if (message.type === 'comm_msg') this.onMessage(message);
    };
    this.socket.onclose = () => this.lose();
  }

  // Asks the server for a sign of life; whatever it says is one
  beat() {
    if (this.asked) {
      if (Date.now() - this.asked >= SECONDS_OF_SILENCE * 1000) this.lose();
    } else {
      this.asked = Date.now();
      this.socket.send('ping');
    }
  }

  lose() {
    if (this.isLost) return;
    this.isLost = true;
    clearInterval(this.heartbeat);
    this.socket.close();
    this.onLost();
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
}
