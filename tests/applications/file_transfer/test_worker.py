from __future__ import annotations

import asyncio
import gc
import threading

import pytest

from jingle.applications.file_transfer.worker import BUFFERS, CHUNK, SMALLEST_CHUNK, FileWorker, Ring

from .exchange import no_threads


async def test_calls_run_in_order_on_one_thread() -> None:
    worker, ran = FileWorker(), list[tuple[int, int]]()

    def note(number: int) -> int:
        ran.append((number, threading.get_ident()))
        return number

    assert await asyncio.gather(*(worker.submit(note, number) for number in range(50))) == list(range(50))
    assert [number for number, _ in ran] == list(range(50))
    assert {thread for _, thread in ran} != {threading.get_ident()}
    assert len({thread for _, thread in ran}) == 1
    await worker.aclose(lambda: None)
    assert no_threads()


async def test_what_a_call_raises_is_told_and_the_next_one_runs() -> None:
    worker = FileWorker()

    def broken() -> None:
        raise OSError("disk")

    failing, unheard = worker.submit(broken), worker.submit(broken)
    assert await worker.submit(lambda: 5) == 5
    with pytest.raises(OSError, match="disk"):
        await failing
    assert unheard.done()
    await worker.aclose(lambda: None)


async def test_calls_about_memory_need_no_thread() -> None:
    worker, ran = FileWorker(is_inline=True), list[int]()

    def broken() -> None:
        raise OSError("odd")

    assert await worker.submit(threading.get_ident) == threading.get_ident()
    with pytest.raises(OSError, match="odd"):
        await worker.submit(broken)
    await worker.aclose(lambda: ran.append(1))
    assert ran == [1]
    assert worker.is_abandoned
    assert no_threads()


async def test_a_call_runs_also_where_nobody_waits_any_more() -> None:
    worker, gate, ran = FileWorker(), threading.Event(), list[str]()
    first, second = worker.submit(gate.wait), worker.submit(ran.append, "second")
    second.cancel()
    gate.set()
    await worker.aclose(lambda: ran.append("last"))
    assert ran == ["second", "last"]
    assert first.result() is True
    assert worker.is_abandoned
    assert no_threads()


def test_a_loop_that_was_closed_does_not_keep_the_thread() -> None:
    gate = threading.Event()

    async def leave() -> None:
        worker = FileWorker()
        worker.submit(gate.wait)
        worker._calls.put(None)

    asyncio.run(leave())
    gate.set()
    assert no_threads()


async def test_a_ring_has_few_buffers_and_no_larger_than_needed() -> None:
    ring, worker = Ring(10, spare=1), FileWorker()
    assert (ring.size, len(ring), ring.is_full) == (10, 0, False)
    buffers = [ring.take() for _ in range(BUFFERS)]
    assert [len(buffer) for buffer in buffers] == [11] * BUFFERS
    assert ring.is_full
    ring.put(worker.submit(lambda: 7), buffers[0])
    assert len(ring) == 1
    count, buffer = await ring.next()
    assert (count, len(ring)) == (7, 0)
    ring.give_back(buffer)
    assert not ring.is_full
    assert ring.take() is buffer
    assert Ring(0).size == 1
    await worker.aclose(lambda: None)


async def test_a_transfer_that_has_ended_leaves_its_memory_to_others() -> None:
    gc.collect()
    workers = [FileWorker() for _ in range(20)]
    rings = [worker.ring(None) for worker in workers]
    assert Ring().size < CHUNK
    for worker in workers:
        await worker.aclose(lambda: None)
    assert Ring().size == CHUNK
    assert len(rings) == 20


def test_many_transfers_share_the_memory() -> None:
    gc.collect()
    assert Ring().size == CHUNK
    rings = [Ring() for _ in range(200)]
    assert rings[0].size == CHUNK
    assert rings[-1].size == SMALLEST_CHUNK
    assert sum(ring.size * BUFFERS for ring in rings) < 50_000_000
