"""A queue of pictures for worker threads, which classify several in one run of the network when many wait"""

import asyncio
import math
import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress

from ..predict import Classifier, cores


class Workers:
    "Threads that share one classifier and one queue"
    def __init__(self,
        classifier:Classifier, # shared by all workers
        workers:int=0, # simultaneous runs of the network, 0 for one a core
        batch:int=4 # pictures in one run of the network, at most
    ):
        self.classifier, self.batch = classifier, batch
        self.workers = workers or cores()
        self.pool = ThreadPoolExecutor(self.workers, 'worker')
        self.queue = deque() # (picture, future)
        self.pictures = 0 # pictures that wait or are being classified
        self.seconds = .05 # running mean of the time a picture takes

    @property
    def retry_after(self)->int:
        "Seconds until the pictures of now will be done, at least one"
        return max(1, math.ceil(self.pictures*self.seconds/self.workers))

    async def predict(self,
        pictures:list # content of files
    )->list: # a `Prediction` for each picture; that of an unusable file has an `error`
        "Classify pictures in the worker threads"
        futures = [Future() for _ in pictures]
        self.pictures += len(pictures)
        self.queue.extend(zip(pictures, futures, strict=True))
        for _ in pictures: self.pool.submit(self._work)
        try: return await asyncio.gather(*map(asyncio.wrap_future, futures))
        finally: self.pictures -= len(pictures)

    async def run(self,
        func, # called in a worker thread
        *args # arguments of `func`
    ):
        "The result of a function that may block"
        return await asyncio.get_running_loop().run_in_executor(self.pool, func, *args)

    def _work(self):
        "Classify this worker's share of the queue"
        start, jobs = time.perf_counter(), self._share()
        if not jobs: return
        self._classify(jobs)
        took = (time.perf_counter()-start)/len(jobs)
        self.seconds += .1*(took-self.seconds)

    def _share(self):
        "A fair part of the queue, without jobs that were cancelled because their client left"
        jobs, count = [], min(self.batch, math.ceil(len(self.queue)/self.workers))
        with suppress(IndexError): # another worker was faster
            for _ in range(count): jobs.append(self.queue.popleft())
        return [(picture, future) for picture, future in jobs if future.set_running_or_notify_cancel()]

    def _classify(self, jobs):
        "Resolve the futures; when a run fails, each picture is tried alone"
        try: predictions = self.classifier.answers([picture for picture, _ in jobs])
        except Exception as e: return self._failed(jobs, e)
        for (_, future), prediction in zip(jobs, predictions, strict=True):
            future.set_result(prediction)

    def _failed(self, jobs, error):
        if len(jobs) == 1: return jobs[0][1].set_exception(error)
        for job in jobs: self._classify([job])
