"""The bounded queue before the worker threads."""

import asyncio
import threading

import pytest

from serving.gate import Gate
from serving.problem import Refusal
from serving.settings import Limits

LIMITS = Limits(max_ongoing=1, max_queued=2, retry_after_s=7)


def test_what_is_too_much_is_refused_at_once_and_the_rest_is_done() -> None:
    go = threading.Event()

    async def run() -> tuple[list[object], int]:
        gate = Gate("test", 1, LIMITS)
        held = [asyncio.create_task(gate.run(lambda _: go.wait(10))) for _ in range(5)]
        await asyncio.sleep(0.05)
        busy = gate.held
        go.set()
        answers = await asyncio.gather(*held, return_exceptions=True)
        await asyncio.sleep(0)
        assert gate.held == 0
        gate.close()
        return answers, busy

    answers, busy = asyncio.run(run())
    assert busy == 3
    assert answers[:3] == [True, True, True]
    for refused in answers[3:]:
        assert isinstance(refused, Refusal)
        assert (refused.status, refused.code, refused.headers) == (503, "overloaded", {"Retry-After": "7"})


def test_work_learns_how_long_it_waited() -> None:
    async def run() -> list[float]:
        gate = Gate("test", 1, LIMITS)
        first = asyncio.create_task(gate.run(lambda waited: (threading.Event().wait(0.1), waited)[1]))
        second = asyncio.create_task(gate.run(lambda waited: waited))
        answers = list(await asyncio.gather(first, second))
        gate.close()
        return answers

    first, second = asyncio.run(run())
    assert first < 0.09 < second


def test_a_caller_that_hangs_up_does_not_make_room_before_its_work_is_over() -> None:
    go = threading.Event()

    async def run() -> None:
        gate = Gate("test", 1, LIMITS)
        task = asyncio.create_task(gate.run(lambda _: go.wait(10)))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert gate.held == 1
        go.set()
        for _ in range(200):
            if gate.held == 0:
                break
            await asyncio.sleep(0.01)
        assert gate.held == 0
        gate.close()

    asyncio.run(run())


def test_a_fault_of_the_work_reaches_its_caller() -> None:
    async def run() -> None:
        gate = Gate("test", 1, LIMITS)
        try:
            with pytest.raises(ZeroDivisionError):
                await gate.run(lambda _: 1 / 0)
        finally:
            gate.close()

    asyncio.run(run())
