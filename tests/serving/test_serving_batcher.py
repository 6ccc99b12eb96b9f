"""Dynamic batching by itself: how items are put together, in which order, and what becomes of those that leave."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from doldrum.serving.batcher import Batcher


async def batches_of(count: int, *, most: int, wait: float, in_turn: bool = False) -> list[list[int]]:
    """How so many items are put together that come at once, or each when the one before is answered."""
    seen: list[list[int]] = []

    def judge(items: list[int]) -> list[int]:
        seen.append(list(items))
        return [item * item for item in items]

    with ThreadPoolExecutor(1) as thread:
        batcher = Batcher(judge, most=most, wait=wait, thread=thread)
        run = asyncio.create_task(batcher.run())
        asked = []
        for item in range(count):
            asked.append(asyncio.create_task(batcher(item)))
            if in_turn:
                await asked[-1]
        assert await asyncio.gather(*asked) == [item * item for item in range(count)]
        run.cancel()
    return seen


def test_a_full_batch_does_not_wait_and_the_rest_follows() -> None:
    seen = asyncio.run(asyncio.wait_for(batches_of(10, most=5, wait=30), 10))
    assert seen == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]


def test_an_item_waits_for_company_but_no_longer_than_it_was_told() -> None:
    assert asyncio.run(batches_of(3, most=100, wait=0.3)) == [[0, 1, 2]]
    assert asyncio.run(batches_of(3, most=100, wait=0.0, in_turn=True)) == [[0], [1], [2]]


def test_what_arrives_while_a_batch_is_judged_is_judged_together_and_who_left_is_not() -> None:
    async def run() -> list[list[int]]:
        seen: list[list[int]] = []
        begun, go = threading.Event(), threading.Event()

        def judge(items: list[int]) -> list[int]:
            seen.append(list(items))
            begun.set()
            assert go.wait(10)
            return items

        with ThreadPoolExecutor(1) as thread:
            batcher = Batcher(judge, most=100, wait=0.0, thread=thread)
            running = asyncio.create_task(batcher.run())
            first = asyncio.create_task(batcher(0))
            await asyncio.to_thread(begun.wait, 10)
            rest = [asyncio.create_task(batcher(item)) for item in range(1, 6)]
            await asyncio.sleep(0)
            rest[2].cancel()
            first.cancel()  # it is under way, and nobody is there to hear
            await asyncio.sleep(0)
            go.set()
            kept = await asyncio.gather(*rest, return_exceptions=True)
            running.cancel()
        assert [k for k in kept if not isinstance(k, BaseException)] == [1, 2, 4, 5]
        return seen

    assert asyncio.run(run()) == [[0], [1, 2, 4, 5]]


def test_a_judge_that_raises_is_heard_by_those_who_asked_and_the_next_batch_is_judged() -> None:
    async def run() -> None:
        def judge(items: list[int]) -> list[int]:
            if 0 in items:
                raise ValueError("no zeros")
            return items

        with ThreadPoolExecutor(1) as thread:
            batcher = Batcher(judge, most=2, wait=0.0, thread=thread)
            running = asyncio.create_task(batcher.run())
            with pytest.raises(ValueError, match="no zeros"):
                await batcher(0)
            assert await batcher(1) == 1
            running.cancel()

    asyncio.run(run())
