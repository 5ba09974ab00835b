"""Three visitors at once in 512 MB, all processes together, under a limit that kills; and no kernel is left behind."""
import io
import os
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from conftest import ROOT, dyno, example, inference_processes, kernels, serving, wait_until
from PIL import Image
from visitor import Visitor, new_kernel

pytestmark = [pytest.mark.skipif(not (ROOT/'export.onnx').is_file(), reason='needs export.onnx'),
    pytest.mark.skipif(not psutil.LINUX, reason='weighs processes as Linux does')]
GROUP = Path('/sys/fs/cgroup/memory')/f'clothing-classifier-{os.getpid()}'
DYNO = 512*2**20 # bytes


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


def as_png(image):
    b = io.BytesIO()
    image.save(b, 'PNG')
    return b.getvalue()


def test_three_visitors_in_512_mb(tmp_path):
    "In a cgroup of that size where one can be made: each sends ten pictures, one of 12 megapixels. Nothing is killed"
    photo = Image.open(io.BytesIO(example('shoes')))
    large = as_png(Image.new('RGB', (4000, 3000), (30, 60, 120)))
    pictures = [example('shoes'), as_png(photo.resize((600, 450))), large]
    with limited(DYNO) as group:
        enter = ['sh', '-c', f'echo $$ > {group}/cgroup.procs && exec "$@"', 'sh'] if group else []
        with serving(dyno(tmp_path), enter) as (proc, url):
            server, said = psutil.Process(proc.pid), []
            before = {o.pid for o in inference_processes(server)}

            def visit(v):
                for i in range(10): said.append(v.look(pictures[2 if i == 5 else i % 2]))
            visitors = [Visitor(url) for _ in range(3)]
            ts = [threading.Thread(target=visit, args=(v,)) for v in visitors]
            for t in ts: t.start()
            most = 0
            while any(t.is_alive() for t in ts):
                most = max(most, weight(server))
                time.sleep(.1)
            after = {o.pid for o in inference_processes(server)}
            for v in visitors: v.socket.close()
            used = int((group/'memory.max_usage_in_bytes').read_text())/1e6 if group else most
    assert len(said) == 30 and all('answer' in o for o in said), [o for o in said if 'answer' not in o][:3]
    assert before == after, 'the inference process was killed for its memory, and started again'
    seen = f'the cgroup saw {used:.0f} MB, files included' if group else 'no cgroup could be made'
    print(f'three visitors at once: {most:.0f} MB by PSS; {seen}')
    assert most < 512


def test_three_visitors_take_less_than_260_mb(tmp_path):
    "Each with a kernel of its own, after an answer; pages that processes share are counted once"
    with serving(dyno(tmp_path)) as (proc, url):
        visitors = [Visitor(url) for _ in range(3)]
        for visitor in visitors: assert visitor.look(example('jeans'))['answer'] == 'jeans'
        server = psutil.Process(proc.pid)
        assert len(kernels(server)) == 3 and weight(server) < 260
        for visitor in visitors: visitor.socket.close()


def test_a_visitor_waits_until_there_is_room(tmp_path):
    "The memory of the settings is reached: no kernel for the next one, until others have gone"
    with serving(dyno(tmp_path, serve_memory_mb=350)) as (_, url):
        visitors = []
        while (given := new_kernel(url)).get('kernel'):
            visitors.append(Visitor(url, given=given))
            assert len(visitors) < 10
        assert given == dict(wait='full') and visitors
        assert visitors[0].look(example('jeans'))['answer'] == 'jeans'
        for visitor in visitors: visitor.socket.close()
        assert wait_until(lambda: new_kernel(url).get('kernel'), 120)


@pytest.mark.slow
def test_nothing_is_left_when_they_have_gone(tmp_path):
    "Six tabs close at once, six ask for a kernel and never open a socket, three visitors leave: no kernel remains"
    with serving(dyno(tmp_path, serve_memory_mb=5000)) as (proc, url):
        server = psutil.Process(proc.pid)
        visitors = [Visitor(url) for _ in range(3)]
        for v in visitors: assert 'answer' in v.look(example('jeans'))
        for _ in range(6): Visitor(url).socket.close()
        for _ in range(6): new_kernel(url)
        assert len(kernels(server)) >= 9
        for v in visitors: v.socket.close()
        assert wait_until(lambda: not kernels(server), 120)
