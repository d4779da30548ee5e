"""A load generator for HTTP/1.1: closed loop, and open loop without coordinated omission."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from time import perf_counter
from urllib.parse import urlsplit

import numpy as np


@dataclass(slots=True)
class Load:
    """What came of a run. Latencies count from when a request was due, not from when it could be sent."""

    seconds: float = 0.0
    latency: list[float] = field(default_factory=list)
    """Seconds of each answer with status 200."""
    refused: int = 0
    """Other answers."""
    failed: int = 0
    """No answer."""

    def percentile(self, share: float) -> float:
        """Milliseconds; NaN without an answer."""
        return float(np.percentile(self.latency, share) * 1e3) if self.latency else float("nan")

    @property
    def rate(self) -> float:
        """Good answers a second."""
        return len(self.latency) / self.seconds if self.seconds else 0.0


class Connection:
    """One keep-alive connection with one request at a time."""

    def __init__(self, url: str, path: str, method: str = "POST") -> None:
        place = urlsplit(url)
        assert place.hostname is not None
        assert place.port is not None
        self._host, self._port = place.hostname, place.port
        self._head = (
            f"{method} {path} HTTP/1.1\r\nhost: {self._host}\r\ncontent-type: application/json\r\n".encode()
        )
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def ask(self, body: bytes) -> int:
        """Send, read the whole answer, and return its status.

        Raises:
            OSError, asyncio.IncompleteReadError, ValueError: the connection or the answer broke.
        """
        if self._writer is None:
            self._reader, self._writer = await asyncio.open_connection(self._host, self._port)
        assert self._reader is not None
        self._writer.write(self._head + b"content-length: %d\r\n\r\n" % len(body) + body)
        try:
            head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
            length = head.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0]
            await self._reader.readexactly(int(length))
        except BaseException:
            self.close()
            raise
        if b"connection: close" in head:
            self.close()
        return int(head[9:12])

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._reader = self._writer = None


async def _ask(connection: Connection, body: bytes, due: float, load: Load) -> None:
    try:
        status = await connection.ask(body)
    except (OSError, asyncio.IncompleteReadError, ValueError, IndexError):
        connection.close()
        load.failed += 1
        return
    if status == 200:
        load.latency.append(perf_counter() - due)
    else:
        load.refused += 1


async def _closed(
    url: str, path: str, bodies: Iterator[bytes], connections: int, seconds: float, method: str
) -> Load:
    load = Load()
    begin = perf_counter()

    async def one() -> None:
        connection = Connection(url, path, method)
        while (now := perf_counter()) - begin < seconds:
            await _ask(connection, next(bodies), now, load)
        connection.close()

    await asyncio.gather(*(one() for _ in range(connections)))
    load.seconds = perf_counter() - begin
    return load


async def _open(
    url: str, path: str, bodies: Iterator[bytes], arrivals: Sequence[float], connections: int
) -> Load:
    load = Load()
    idle: asyncio.Queue[Connection] = asyncio.Queue()
    every = [Connection(url, path) for _ in range(connections)]
    for connection in every:
        idle.put_nowait(connection)
    begin = perf_counter()

    async def one(due: float) -> None:
        connection = await idle.get()
        await _ask(connection, next(bodies), due, load)
        idle.put_nowait(connection)

    waiting = []
    for arrival in arrivals:
        pause = begin + arrival - perf_counter()
        if pause > 0:
            await asyncio.sleep(pause)
        waiting.append(asyncio.create_task(one(begin + arrival)))
    await asyncio.gather(*waiting)
    load.seconds = perf_counter() - begin
    for connection in every:
        connection.close()
    return load


def closed_loop(
    url: str, path: str, bodies: Sequence[bytes], connections: int, seconds: float, method: str = "POST"
) -> Load:
    """`connections` callers, each asking again as soon as it is answered."""
    return asyncio.run(_closed(url, path, cycle(bodies), connections, seconds, method))


def open_loop(
    url: str,
    path: str,
    bodies: Sequence[bytes],
    rate: float,
    seconds: float,
    seed: int,
    connections: int = 64,
) -> Load:
    """Requests due at Poisson times of `rate` a second, whether or not earlier ones are answered."""
    generator = np.random.default_rng(seed)
    gaps = generator.exponential(1 / rate, size=int(rate * seconds * 1.5) + 16)
    arrivals = np.cumsum(gaps)
    due = arrivals[arrivals < seconds].tolist()
    return asyncio.run(_open(url, path, cycle(bodies), due, connections))
