"""The REST API at the page's address: each request is passed on to the inference process, and its answer back"""

import asyncio

import h11
from tornado.web import RequestHandler, stream_request_body

NOT_PASSED_ON = {'connection', 'keep-alive', 'te', 'trailer', 'transfer-encoding', 'upgrade', 'expect',
    'x-forwarded-for'}


def _is_passed_on(name): return name.lower() not in NOT_PASSED_ON


@stream_request_body
class ApiProxy(RequestHandler):
    "Passes on a request part by part; the limits are those of the API"
    SUPPORTED_METHODS = 'GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'
    writer = answer = None

    async def prepare(self):
        self.settings['in_progress'].add(self)
        self.request.connection.set_max_body_size(2**50) # bytes
        try: reader, self.writer = await asyncio.open_unix_connection(self.settings['api_address'])
        except (OSError, TypeError, AttributeError): return self._refuse()
        self.upstream = h11.Connection(h11.CLIENT)
        self._pass_on(h11.Request(method=self.request.method, target=self.request.uri, headers=self._request_headers()))
        self.answer = asyncio.create_task(self._pass_back(reader))

    def _request_headers(self):
        headers = [(name, value) for name, value in self.request.headers.get_all() if _is_passed_on(name)]
        if 'Transfer-Encoding' in self.request.headers: headers.append(('Transfer-Encoding', 'chunked'))
        return headers + [('X-Forwarded-For', self.request.remote_ip)]

    def _pass_on(self, event): self.writer.write(self.upstream.send(event))

    @property
    def _is_heard(self):
        "Whether the API waits for more of the request"
        return self.answer and not self.answer.done() and self.upstream.their_state is h11.SEND_RESPONSE \
            and not self._headers_written

    async def data_received(self, chunk):
        if not self._is_heard: return
        self._pass_on(h11.Data(data=chunk))
        await self.writer.drain()

    async def _pass_back(self, reader):
        while (event := self.upstream.next_event()) is not h11.PAUSED:
            match event:
                case h11.NEED_DATA: self.upstream.receive_data(await reader.read(2**16))
                case h11.Response(): self._start_answer(event)
                case h11.Data():
                    self.write(bytes(event.data))
                    await self.flush()
                case h11.EndOfMessage() | h11.ConnectionClosed(): return

    def _start_answer(self, response):
        self.set_status(response.status_code, response.reason.decode('latin-1'))
        for name in list(self._headers): self.clear_header(name)
        for name, value in response.headers:
            if _is_passed_on(name.decode()): self.add_header(name.decode().title(), value.decode('latin-1'))

    async def get(self, *args):
        "Called when the whole request is there"
        if self._is_heard: self._pass_on(h11.EndOfMessage())
        try: await self.answer
        except (OSError, h11.RemoteProtocolError): self._refuse()

    head = post = put = patch = delete = options = get

    def _refuse(self):
        "The inference process is being started, or has just ended"
        if self._headers_written: return self.request.connection.close() # part of an answer is worse than none
        self.set_status(503)
        self.set_header('Content-Type', 'application/problem+json')
        self.set_header('Retry-After', '1')
        detail = "This server is starting. Try again in a second."
        self.finish(dict(type='about:blank', title='Service Unavailable', status=503, detail=detail))

    def compute_etag(self): return None

    def on_connection_close(self): self._close()

    def on_finish(self): self._close()

    def _close(self):
        self.settings['in_progress'].discard(self)
        if self.writer: self.writer.close()
