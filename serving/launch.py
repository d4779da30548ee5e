"""Starting a server and ending it: for the command line, the demo, benchmarks and tests."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import structlog

from auction.errors import InputError
from auction.policy import AuctionPolicy
from serving.key import token_keys
from serving.loopback import haproxy_binary
from serving.ports import is_free
from serving.settings import ServingSettings

log = structlog.get_logger()

START_SECONDS = 180.0
STOP_SECONDS = 25.0


class LaunchError(RuntimeError):
    """The server did not start; the message ends with what its log says."""


@dataclass
class Handle:
    """A running server. Ends with `close`, at the end of a ``with`` block, or with this process."""

    url: str
    grpc: str | None
    """``host:port``, plaintext; None without gRPC."""
    proxy: str
    """``haproxy``, or ``python`` where HAProxy could not start or was not wanted."""
    log_file: Path
    process: "subprocess.Popen[bytes]"

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def close(self) -> None:
        """End the server: it answers what it has, flushes its log and gives back its leases."""
        _end(self.process)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def launch(settings: ServingSettings) -> Handle:
    """Start a server and wait until it is ready.

    It runs in a process of its own: Serve reads its settings from the environment when it is first
    imported, and what Ray prints goes to DATA/serve.log instead of here.

    Raises:
        InputError: a file or port that cannot be used.
        LaunchError: it did not become ready.
    """
    settings = settings.absolute()
    _check(settings)
    if settings.proxy and haproxy_binary() is None:
        log.warning("no_haproxy", effect="Serve's own proxy answers, an order of magnitude slower")
        settings = settings.model_copy(update={"proxy": False})
    try:
        return _start(settings)
    except LaunchError as error:
        if not settings.proxy or "haproxy" not in str(error).lower():
            raise
        log.warning("haproxy_failed", effect="Serve's own proxy answers", error=str(error)[-300:])
        return _start(settings.model_copy(update={"proxy": False}))


def run_forever(settings: ServingSettings, announce: Callable[[Handle], None] = lambda _: None) -> int:
    """Serve until SIGINT or SIGTERM; the exit code is 0 then, and 1 where the server ended by itself."""
    stop = threading.Event()
    old = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    with launch(settings) as handle:
        try:
            for number in old:
                signal.signal(number, lambda *_: stop.set())
            announce(handle)
            while handle.alive and not stop.wait(0.5):
                pass
            return 0 if stop.is_set() else 1
        finally:
            for number, handler in old.items():
                signal.signal(number, handler)


def _check(settings: ServingSettings) -> None:
    """What can be said at once, in one line, instead of from within a replica."""
    manifest = settings.bundle_folder / "manifest.json"
    if not manifest.is_file():
        raise InputError("bundle", str(settings.bundle_folder), "give the folder of a trained bundle")
    if settings.policy_file is not None:
        AuctionPolicy.load(settings.policy_file)
    token_keys(settings.data, settings.token_key_variable)
    for name, port in (("port", settings.port), ("grpc_port", settings.grpc_port)):
        if port and not is_free(settings.host, port):
            raise InputError(name, port, "another program listens there; give another, or 0 for a free one")


def _start(settings: ServingSettings) -> Handle:
    settings.data.mkdir(parents=True, exist_ok=True)
    log_file = settings.data / "serve.log"
    with log_file.open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "serving.cluster"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env={**os.environ, "PYTHONPATH": _path()},
            start_new_session=True,  # Ctrl-C reaches this process, which ends the server in order.
        )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(settings.model_dump_json().encode() + b"\n")
        process.stdin.flush()
        place = _first_line(process.stdout, START_SECONDS)
        if place is None:
            raise LaunchError(_failure(log_file))
    except BaseException:
        _end(process)
        raise
    told = json.loads(place)
    return Handle(told["url"], told["grpc"], "haproxy" if settings.proxy else "python", log_file, process)


def _path() -> str:
    here = str(Path(__file__).resolve().parents[1])
    known = os.environ.get("PYTHONPATH")
    return f"{here}{os.pathsep}{known}" if known else here


def _first_line(stream: IO[bytes], seconds: float) -> bytes | None:
    """The stream's first line, or None where it ends or is silent for too long."""
    found: list[bytes] = []
    reader = threading.Thread(target=lambda: found.append(stream.readline()), daemon=True)
    reader.start()
    reader.join(seconds)
    return found[0] if found and found[0] else None


def _failure(log_file: Path) -> str:
    text = log_file.read_text(errors="replace")[-3000:]
    return f"the server did not start; {log_file} ends with:\n{text}"


def _end(process: "subprocess.Popen[bytes]") -> None:
    if process.stdin is not None and not process.stdin.closed:
        process.stdin.close()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if process.stdout is not None:
        process.stdout.close()
