"""How many requests a replica holds at once, and the threads that decide them."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import TypeVar

from serving.problem import overloaded
from serving.settings import Limits

T = TypeVar("T")


class Gate:
    """A bounded queue before a few worker threads.

    The event loop stays free for health checks and for refusing what is too much; the work gets the
    time it has waited, so that a deadline counts from arrival.
    """

    def __init__(self, name: str, threads: int, limits: Limits) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._most = limits.max_ongoing + limits.max_queued
        self._retry_after_s = limits.retry_after_s
        self.held = 0

    async def run(self, work: Callable[[float], T]) -> T:
        """`work(seconds waited)` on a worker thread.

        Raises:
            Refusal: 503 `overloaded`, where the queue is full.
        """
        if self.held >= self._most:
            raise overloaded(self._retry_after_s)
        arrived = perf_counter()
        future = self._pool.submit(lambda: work(perf_counter() - arrived))
        # Held until the work is over, not until its caller hangs up: that one may be gone, the work not.
        self.held += 1
        loop = asyncio.get_running_loop()
        future.add_done_callback(lambda _: loop.call_soon_threadsafe(self._leave))
        return await asyncio.wrap_future(future)

    def _leave(self) -> None:
        self.held -= 1

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)
