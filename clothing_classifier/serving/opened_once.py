"""What is opened at its first use, by one thread"""
from functools import cached_property


class opened_once(cached_property):
    "A cached property that two threads do not open twice; its object has an `RLock` as `opening`"
    def __get__(self, of, owner=None):
        with of.opening: return super().__get__(of, owner)
