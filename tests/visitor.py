"A visitor without a browser: opens the page, and sends its kernel any message over the websocket"
import json
import time
import urllib.request
import uuid

from websockets.sync.client import connect

from clothing_classifier.texts import Texts

PART = 262_144
PROTOCOLS = ['v1.kernel.websocket.jupyter.org']


def pack(channel, parts, buffers=()):
    "A message in Jupyter's v1 framing"
    body = [channel.encode(), *(json.dumps(o).encode() for o in parts), *map(bytes, buffers)]
    at, offsets = 8*(len(body)+2), []
    for o in body:
        offsets.append(at)
        at += len(o)
    return b''.join(n.to_bytes(8, 'little') for n in (len(body)+1, *offsets, at)) + b''.join(body)


def unpack(data):
    n = int.from_bytes(data[:8], 'little')
    at = [int.from_bytes(data[8*i:8*i+8], 'little') for i in range(1, n+1)]
    _, header, _, _, content, *buffers = (data[a:b] for a, b in zip(at, at[1:], strict=False))
    return json.loads(header)['msg_type'], json.loads(content), buffers


def new_kernel(url, timeout=120):
    "What the server answers to the page that asks for a kernel, once it has started"
    end = time.monotonic() + timeout
    while True:
        with urllib.request.urlopen(f'{url}kernel', timeout=timeout) as r: answer = json.load(r)
        if answer.get('wait') != 'starting' or time.monotonic() > end: return answer
        time.sleep(.1)


def as_shown(answer):
    "An answer with its error as the sentence that the page shows"
    if 'error' not in answer: return answer
    return answer | dict(error=Texts('en')(answer['error'], **answer.get('values', {})))


class Visitor:
    "`look(data)` returns the answer to an upload"
    def __init__(self, url, timeout=120, given=None):
        self.url, self.timeout, self.session, self.n = url, timeout, str(uuid.uuid4()), 0
        given = given or new_kernel(url, timeout)
        self.kernel, self.model = given['kernel'], given['widget']
        self.open()

    def open(self, protocols=PROTOCOLS):
        to = f"{self.url.replace('http', 'ws', 1)}api/kernels/{self.kernel}/channels?session_id={self.session}"
        self.socket = connect(to, subprotocols=protocols, max_size=None, open_timeout=self.timeout).__enter__()

    def __enter__(self): return self
    def __exit__(self, *_): self.socket.close()

    def header(self, kind):
        return dict(msg_id=str(uuid.uuid4()), msg_type=kind, session=self.session, username='',
            date='2026-01-01T00:00:00Z', version='5.3')

    def tell(self, content, *buffers):
        data = dict(method='custom', content=content)
        self.socket.send(pack('shell', [self.header('comm_msg'), {}, {}, dict(comm_id=self.model, data=data)], buffers))

    def hear(self, id):
        "The next message about request `id`"
        while True:
            kind, content, buffers = unpack(self.socket.recv(timeout=self.timeout))
            if kind != 'comm_msg' or content['data'].get('method') != 'custom': continue
            if content['data']['content'].get('id') == id: return as_shown(content['data']['content']), buffers

    def start(self, size, what='answer', **kw):
        self.n += 1
        self.tell(dict(do='start', id=str(self.n), what=what, size=size, **kw))
        return str(self.n)

    def ask(self, data, **kw):
        "Upload as the browser does, and return the answer"
        id, got, answer = self.start(len(data), **kw), 0, {}
        for at in range(0, len(data), PART):
            while at-got >= 4*PART:
                answer, buffers = self.hear(id)
                if 'error' in answer: return answer, buffers
                got = answer.get('received', got)
            self.tell(dict(do='part', id=id), data[at:at+PART])
        while not ({'done', 'error'} & set(answer)): answer, buffers = self.hear(id)
        return answer, buffers

    def look(self, data): return self.ask(data)[0]
