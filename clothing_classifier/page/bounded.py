"""Bounds on the messages that wait between a browser and its kernel, whatever the browser does"""
# A message has one megabyte at most. Jupyter would keep a thousand of them before a kernel that is busy, any number of
# them in the server, and all that a browser does not read. Its older protocol believes what a message says of its size.

import asyncio

from voila.tornado.kernel_websocket_handler import VoilaKernelWebsocketHandler

PROTOCOL = 'v1.kernel.websocket.jupyter.org'
QUEUED = 4 # messages that wait on either side of the line between server and kernel
UNREAD = 8_000_000 # bytes that wait for a browser to read them


class BoundedSocket(VoilaKernelWebsocketHandler):
    "A websocket that takes the next message once the kernel has room, and closes when the browser does not read"
    unread = 0

    async def pass_on(self,
        message:bytes # from the browser
    ):
        "Hand a message to the kernel; tornado reads no other one until this is done"
        if self.connection.subprotocol != PROTOCOL: return self.close(1003, f'speak {PROTOCOL}')
        super().on_message(message)
        while any(stream.sending() for stream in self.connection.channels.values()): await asyncio.sleep(.02)

    def write_message(self, message, binary=False):
        "Send a message to the browser"
        if self.unread > UNREAD: return self.close(1008, 'too much is unread')
        written = super().write_message(message, binary)
        if written is None: return # Voila keeps it to itself
        self.unread += len(message)
        written.add_done_callback(self._forget(len(message)))

    def _forget(self, size):
        "A function that is called when so many bytes were read, or the line is closed"
        def forget(written):
            self.unread -= size
            written.exception() # a closed line is no mistake of ours
        return forget
