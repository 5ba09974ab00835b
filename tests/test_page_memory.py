"""The smallest dyno: three visitors at once in 512 MB, all processes together, under a limit that kills; and nothing is left when they have gone."""
import io
import os
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import psutil
import pytest
from conftest import ROOT, dyno, engines, serving
from visitor import Visitor

from drawings import draw_picture as draw_goods

pytestmark = [pytest.mark.skipif(not (ROOT/'export.onnx').is_file(), reason='needs export.onnx'), pytest.mark.skipif(not psutil.LINUX, reason='weighs processes as Linux does')]
GROUP, DYNO = Path('/sys/fs/cgroup/memory')/f'clothing-classifier-{os.getpid()}', 512*2**20


@contextmanager
def limited(bytes):
    "A cgroup (v1) with so much memory; None where one cannot be made"
    try:
        GROUP.mkdir()
        (GROUP/'memory.limit_in_bytes').write_text(str(bytes))
    except OSError:
        yield None
        return
    try: yield GROUP
    finally:
        for _ in range(50):
            try:
                GROUP.rmdir()
                break
            except OSError: time.sleep(.2)


def weight(proc):
    "Megabytes of a process and all it started, shared pages counted once"
    pss = lambda p: int(Path(f'/proc/{p.pid}/smaps_rollup').read_text().split('\nPss:')[1].split()[0])/1000
    total = 0
    for p in [proc, *proc.children(recursive=True)]:
        try: total += pss(p)
        except (OSError, IndexError): pass # It has just ended
    return total


def drawing(form):
    b = io.BytesIO()
    draw_goods('socks', size=600).save(b, form)
    return b.getvalue()


def test_three_visitors_in_512_mb(tmp_path):
    "All in a cgroup of that size if this machine lets us make one: each sends ten pictures, one of them of 12 megapixels. Nobody is killed"
    from PIL import Image
    b = io.BytesIO()
    Image.new('RGB', (4000, 3000), (30, 60, 120)).save(b, 'PNG')
    pictures = [drawing('JPEG'), drawing('PNG'), b.getvalue()]
    with limited(DYNO) as group:
        enter = ['sh', '-c', f'echo $$ > {group}/cgroup.procs && exec "$@"', 'sh'] if group else []
        with serving(dyno(tmp_path), enter) as (proc, url):
            server, said = psutil.Process(proc.pid), []
            before = {o.pid for o in engines(server)}

            def visit(v):
                for i in range(10): said.append(v.look(pictures[2 if i == 5 else i % 2]))
            visitors = [Visitor(url) for _ in range(3)]
            ts = [threading.Thread(target=visit, args=(v,)) for v in visitors]
            for t in ts: t.start()
            most = 0
            while any(t.is_alive() for t in ts):
                most = max(most, weight(server))
                time.sleep(.1)
            after = {o.pid for o in engines(server)}
            for v in visitors: v.socket.close()
            used = int((group/'memory.max_usage_in_bytes').read_text())/1e6 if group else most
    assert len(said) == 30 and all('answer' in o for o in said), [o for o in said if 'answer' not in o][:3]
    assert before == after, 'the engine was killed for its memory, and started again'
    print(f'three visitors at once: {most:.0f} MB by PSS; the cgroup saw {used:.0f} MB, files included' if group else f'three visitors at once: {most:.0f} MB by PSS; no cgroup could be made')
    assert most < 512


def test_nothing_is_left_when_they_have_gone(tmp_path):
    "Six pages whose tab closes at once, six that never open a socket, three visitors who close theirs: two minutes later there is one kernel, the one that waits for the next"
    with serving(dyno(tmp_path, serve_visitors=100)) as (proc, url):
        server = psutil.Process(proc.pid)
        def kernels():
            def lives(o):
                try: return o.status() != psutil.STATUS_ZOMBIE and o.ppid() != server.pid
                except psutil.NoSuchProcess: return False
            return sum(map(lives, server.children(recursive=True)))
        visitors = [Visitor(url) for _ in range(3)]
        for v in visitors: assert 'answer' in v.look(drawing('JPEG'))
        for _ in range(6): Visitor(url).socket.close()
        for _ in range(6): urlopen(url, timeout=60).read()
        for v in visitors: v.socket.close()
        assert kernels() > 10
        end = time.monotonic() + 120
        while kernels() > 1 and time.monotonic() < end: time.sleep(1)
        assert kernels() == 1
