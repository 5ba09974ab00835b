"""Whether one more visitor fits into the memory of the host"""

import psutil

from ..settings import Settings

VISITOR_MB = 22 # a kernel and what the server keeps for it, as bench/page.py measures
BYTES_PER_PIXEL = 3


def process_mb(
    process:psutil.Process
)->float: # megabytes; 0 for a process that has just ended
    "Memory of a process; what it shares with others counts in part (PSS), or not at all where the system has no PSS"
    try: memory = process.memory_full_info()
    except psutil.Error: return 0
    return getattr(memory, 'pss', memory.uss)/1e6


def used_mb()->float:
    "Megabytes of this process and all that it started"
    this = psutil.Process()
    return sum(map(process_mb, [this, *this.children(recursive=True)]))


def has_room(
    settings:Settings, # `memory_mb`, and the largest picture
    entering:int=1 # visitors who have no kernel yet, this one among them
)->bool:
    "Whether they fit, with a picture of the largest size being answered"
    serve = settings.serve
    picture = serve.max_upload_mb + serve.max_megapixels*BYTES_PER_PIXEL
    return used_mb() + entering*VISITOR_MB + picture <= serve.memory_mb
