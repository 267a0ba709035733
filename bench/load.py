"""Sends checks over kept connections from a few processes, and holds every answer to what it must say."""

import asyncio
import itertools
import multiprocessing
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from bench import fleet

PROCESSES: Final = 2
CONNECTIONS: Final = 8
_ANSWER_SECONDS: Final = 30.0


class WrongAnswerError(Exception):
    """An answer that is not 200 or does not say what it must."""


@dataclass(frozen=True)
class Load:
    """So many checks, in turn from devices 0 to `devices`, and no new one after `seconds`.

    `constant` is for a server that tells every device that there is nothing.
    """

    port: int
    requests: int
    devices: int
    seconds: float
    constant: bool = False


@dataclass(frozen=True)
class Latencies:
    """How long each answer took, and all of them together, in seconds."""

    each: Sequence[float]
    wall: float

    @property
    def rate(self) -> float:
        return len(self.each) / self.wall

    def percentile(self, number: int) -> float:
        """Milliseconds."""
        return 1000 * statistics.quantiles(self.each, n=100, method="inclusive")[number - 1]


def send(load: Load) -> Latencies:
    """Send them. Raises WrongAnswerError for the first answer that is not right."""
    context = multiprocessing.get_context("fork")
    with context.Pool(PROCESSES) as pool:
        found = pool.starmap(_process, [(load, part) for part in range(PROCESSES)], chunksize=1)
    # Not with the making of the processes and of what they send.
    return Latencies([one for each, _ in found for one in each], max(wall for _, wall in found))


def _process(load: Load, part: int) -> tuple[list[float], float]:
    numbers = range(part, load.requests, PROCESSES)
    # Made before the clock starts; each device sends its own.
    bodies = [(_request(number % load.devices), _expected(load, number % load.devices)) for number in numbers]
    return asyncio.run(_run(load, bodies))


def _request(number: int) -> bytes:
    body = fleet.check(number)
    return (
        f"POST {fleet.CHECK_PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: text/xml; charset=utf-8\r\n"
        f"User-Agent: Microsoft UCPhone Device (lcs_se_w14_main:823154:2009/06/04)\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body


def _expected(load: Load, number: int) -> bytes:
    return b"downloads=%d<" % (0 if load.constant else fleet.downloads(number))


async def _run(load: Load, bodies: Sequence[tuple[bytes, bytes]]) -> tuple[list[float], float]:
    deadline = time.perf_counter() + load.seconds
    work = itertools.takewhile(lambda _: time.perf_counter() < deadline, bodies)
    started = time.perf_counter()
    each = await asyncio.gather(*(_connection(load.port, work) for _ in range(CONNECTIONS)))
    return [one for some in each for one in some], time.perf_counter() - started


async def _connection(port: int, work: Iterator[tuple[bytes, bytes]]) -> list[float]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    taken = []
    try:
        for request, expected in work:
            sent = time.perf_counter()
            writer.write(request)
            head, body = await asyncio.wait_for(_answer(reader), _ANSWER_SECONDS)
            taken.append(time.perf_counter() - sent)
            if not head.startswith(b"HTTP/1.1 200 ") or expected not in body:
                raise WrongAnswerError(f"{expected.decode()} was expected in\n{(head + body).decode()}")
    finally:
        writer.close()
    return taken


async def _answer(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
    return head, await reader.readexactly(length)
