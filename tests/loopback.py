"""A web server on loopback, in its own process, that serves real pictures and every fault a download must survive"""
import asyncio
import gzip
import io
import json
import random
import socket
import struct
import subprocess
import sys
import urllib.parse
import urllib.request
import zlib
from collections import Counter
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

MB = 2**20


def encode(image, form):
    "Bytes of an image file"
    file = io.BytesIO()
    image.save(file, form, quality=80)
    return file.getvalue()


def picture(seed, side=96, form='JPEG'):
    "A small picture of a random cloud; no two seeds have near perceptual hashes"
    colors = np.random.default_rng(seed).integers(0, 255, (8, 8, 3), np.uint8)
    return encode(Image.fromarray(colors).resize((side, side), Image.Resampling.BICUBIC), form)


def flat(seed): return encode(Image.new('RGB', (90, 90), (seed % 256, 80, 80)), 'JPEG')


@cache
def gzip_bomb(): return gzip.compress(bytes(256*MB), 1)


def bomb():
    "A PNG of a few kilobytes that claims 60,000 x 60,000 pixels"
    chunk = lambda kind, data: struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))
    head = chunk(b'IHDR', struct.pack('>IIBBBBB', 60_000, 60_000, 8, 2, 0, 0, 0))
    data = chunk(b'IDAT', zlib.compress(bytes(MB)))
    return b'\x89PNG\r\n\x1a\n' + head + data + chunk(b'IEND', b'')


class Reset(Exception):
    "The connection is to be reset instead of closed"


class Answers:
    "One method for each kind of address: `/flaky/2/7.jpg` is `flaky('2', 7)`. It yields a head, then pieces of a body"
    def __init__(self, root=None):
        self.root = root
        self.counts = Counter()

    def seen(self): return self.counts[self.path]

    def ok(self, seed):
        yield from self.whole(picture(seed))

    def whole(self, body, status='200 OK', *headers, length=True):
        end = f'Content-Length: {len(body)}' if length else 'Connection: close'
        yield '\r\n'.join([f'HTTP/1.1 {status}', *headers, end, '', '']).encode()
        yield body

    def status(self, code, seed): yield from self.whole(b'no', f'{code} No')
    def loop(self, seed): yield from self.whole(b'', '302 Round', f'Location: /loop/{1-seed}.jpg')
    def away(self, seed): yield from self.whole(b'', '302 Off', 'Location: ftp://127.0.0.1/x.jpg')
    def near(self, side, seed): yield from self.whole(picture(seed, int(side)))
    def png(self, seed): yield from self.whole(picture(seed, form='PNG'))
    def blank(self, seed): yield from self.whole(flat(seed))
    def empty(self, seed): yield from self.whole(b'')
    def nolength(self, seed): yield from self.whole(picture(seed), length=False)
    def cut(self, seed): yield from self.whole(picture(seed)[:900], length=False)
    def gzip(self, seed): yield from self.whole(gzip.compress(picture(seed)), '200 OK', 'Content-Encoding: gzip')
    def badgzip(self, seed): yield from self.whole(picture(seed), '200 OK', 'Content-Encoding: gzip')
    def gzipbomb(self, seed): yield from self.whole(gzip_bomb(), '200 OK', 'Content-Encoding: gzip')
    def bomb(self, seed): yield from self.whole(bomb())
    def noai(self, seed): yield from self.whole(picture(seed), '200 OK', 'X-Robots-Tag: noindex, noai')
    def noimageai(self, seed): yield from self.whole(picture(seed), '200 OK', 'X-Robots-Tag: noimageai')
    def othernoai(self, seed): yield from self.whole(picture(seed), '200 OK', 'X-Robots-Tag: otherbot: noai')
    def file(self, *path): yield from self.whole((self.root/'/'.join(path)).read_bytes())

    def busy(self, wait, seed):
        if self.seen() == 1: yield from self.whole(b'later', '429 Too Many', f'Retry-After: {wait}')
        else: yield from self.ok(seed)

    def flaky(self, times, seed):
        if self.seen() <= int(times): yield from self.whole(b'', '500 Oh')
        else: yield from self.ok(seed)

    def hop(self, times, seed):
        left = int(times)
        if left: yield from self.whole(b'', '302 On', f'Location: /hop/{left-1}/{seed}.jpg')
        else: yield from self.ok(seed)

    def page(self, seed):
        yield from self.whole(b'<html>A page, not a picture</html>', '200 OK', 'Content-Type: image/jpeg')

    def short(self, seed):
        head, body = self.whole(picture(seed))
        yield from (head, body[:len(body)//2], None)

    def overlong(self, seed):
        head, _body = self.whole(picture(seed)[:900])
        yield from (head, picture(seed))

    def huge(self, seed, size=200*MB):
        yield f'HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n'.encode()
        for _ in range(size//MB): yield bytes(MB)

    def endless(self, seed):
        yield b'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n'
        while True: yield bytes(MB)

    def slow(self, seed):
        yield b'HTTP/1.1 200 OK\r\nContent-Length: 3600\r\n\r\n'
        for _ in range(3600): yield 1.0, b'.'

    def silent(self, seed):
        for _ in range(3600): yield 1.0, b''

    def reset(self, seed):
        yield b'HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\nbeginning'
        raise Reset

    def faults(self, percent, answer):
        "The answer, or with the given probability a transient fault; address and number of the try seed the choice"
        rng = random.Random(f'{self.path}-{self.seen()}')
        if rng.random()*100 >= percent: return answer
        unavailable = self.whole(b'', '503 Oh')
        limited = self.whole(b'', '429 Oh', 'Retry-After: 0')
        return rng.choice([unavailable, limited, self.reset(1), self.short(1)])

    def random(self, percent, seed): yield from self.faults(int(percent), self.ok(seed))
    def faulty(self, percent, *path): yield from self.faults(int(percent), self.file(*path))

    def answer(self, path):
        "The pieces for one address"
        if path == '/_counts': return self.whole(json.dumps(self.counts).encode())
        self.counts[path] += 1
        self.path = path
        kind, *args = urllib.parse.unquote(path.split('?')[0]).strip('/').split('/')
        if kind not in ('file', 'faulty'): args[-1] = int(Path(args[-1]).stem)
        return getattr(self, kind)(*args)


async def talk(answers, latency, reader, writer):
    "Answer the requests of one connection in order, until one side closes it"
    try:
        while line := await reader.readline():
            while (await reader.readline()).strip(): pass
            pieces = answers.answer(line.split()[1].decode())
            if b'/_counts' in line: pieces = list(pieces)
            await asyncio.sleep(latency)
            close = False
            for piece in pieces:
                close |= piece is None or b'Connection: close' in piece
                if isinstance(piece, tuple):
                    await asyncio.sleep(piece[0])
                    piece = piece[1]
                writer.write(piece or b'')
                await writer.drain()
            if close: break
    except Reset:
        linger = struct.pack('ii', 1, 0)  # closing then sends a reset
        writer.get_extra_info('socket').setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    except (ConnectionError, asyncio.IncompleteReadError): pass
    finally: writer.close()


async def main(root, latency, hosts):
    "Serve until standard input is closed; the addresses are printed first, as JSON"
    answers = Answers(Path(root))
    names = [f'127.0.0.{i+1}' for i in range(hosts)]
    server = await asyncio.start_server(lambda *o: talk(answers, latency, *o), names, 0, backlog=512)
    bound = [o.getsockname() for o in server.sockets]
    print(json.dumps([f'http://{host}:{port}' for host, port, *_ in bound]), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    server.close()


class Server:
    "The server, for a `with` statement"
    def __init__(self,
        root='.', # folder behind `/file/`
        latency=0, # seconds before each answer
        hosts=1 # number of addresses to listen on, from 127.0.0.1 up
    ): self.args = [sys.executable, __file__, str(root), str(latency), str(hosts)]

    def __enter__(self):
        self.process = subprocess.Popen(self.args, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.urls = json.loads(self.process.stdout.readline())
        self.url = self.urls[0]
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        try: self.process.wait(5)
        except subprocess.TimeoutExpired: self.process.kill()

    def counts(self):
        "Number of requests for each address"
        with urllib.request.urlopen(f'{self.url}/_counts', timeout=30) as response: return Counter(json.load(response))


if __name__ == '__main__':
    asyncio.run(main(sys.argv[1], float(sys.argv[2]), int(sys.argv[3])))
