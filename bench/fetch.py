"""Downloads a file over kept connections, as fast as it comes or very slowly, and checks what comes."""

import multiprocessing
import socket
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing.synchronize import Event
from typing import Final

from bench.load import WrongAnswerError

CLIENTS: Final = 8
_BUFFER: Final = 256 * 1024
_SECONDS: Final = 60.0
# A slow client takes so many bytes at each of its turns, and has so small a window.
_SIP: Final = 16 * 1024
_PAUSE: Final = 0.1


@dataclass(frozen=True)
class Target:
    """A file on a server, and its right bytes."""

    port: int
    path: str
    content: bytes


Span = tuple[int, int]


def spans(size: int, step: int) -> list[Span]:
    """The first and last positions of all ranges of `step` bytes."""
    return [(start, min(start + step, size) - 1) for start in range(0, size, step)]


class Client:
    """One kept connection."""

    def __init__(self, target: Target, *, window: int = 0) -> None:
        self._target = target
        self.socket = socket.socket()
        self.socket.settimeout(_SECONDS)
        if window:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        self.socket.connect(("127.0.0.1", target.port))
        self._buffer = memoryview(bytearray(_BUFFER))

    def ask(self, span: Span | None) -> tuple[int, bytes]:
        """Send a request for a range or the whole; gives how long the body is and what of it came with the head.

        Raises WrongAnswerError when status, length or range are not right.
        """
        wanted = f"Range: bytes={span[0]}-{span[1]}\r\n" if span else ""
        self.socket.sendall(f"GET {self._target.path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{wanted}\r\n".encode())
        head, start = b"", b""
        while b"\r\n\r\n" not in head:
            if not (data := self.socket.recv(_SIP)):
                raise WrongAnswerError("the server hung up")
            head += data
        head, _, start = head.partition(b"\r\n\r\n")
        size = len(self._target.content)
        length = span[1] - span[0] + 1 if span else size
        lines = head.decode().lower().split("\r\n")
        expected = [f"content-length: {length}"]
        if span:
            expected.append(f"content-range: bytes {span[0]}-{span[1]}/{size}")
        if not lines[0].startswith(f"http/1.1 {206 if span else 200} ") or not set(expected) <= set(lines):
            raise WrongAnswerError(f"{expected} was expected in\n{head.decode()}")
        return length, start

    def drain(self, span: Span | None) -> int:
        """Fetch and forget; gives the number of bytes."""
        length, start = self.ask(span)
        left = length - len(start)
        while left:
            if not (count := self.socket.recv_into(self._buffer, min(left, _BUFFER))):
                raise WrongAnswerError("the server hung up")
            left -= count
        return length

    def check(self, span: Span | None) -> None:
        """Fetch and compare. Raises WrongAnswerError."""
        length, body = self.ask(span)
        while len(body) < length and (data := self.socket.recv(_BUFFER)):
            body += data
        first, last = span or (0, length - 1)
        if body != self._target.content[first : last + 1]:
            raise WrongAnswerError(f"{self._target.path}: other bytes than the file's came")


def drain_all(target: Target, work: Sequence[Span | None]) -> tuple[int, float]:
    """Let each client do all of the work; gives the bytes and the seconds that it took."""
    with ExitStack() as stack:
        clients = [Client(target) for _ in range(CLIENTS)]
        for client in clients:
            stack.enter_context(client.socket)
        pool = stack.enter_context(ThreadPoolExecutor(CLIENTS))
        started = time.perf_counter()
        counts = pool.map(lambda client: sum(map(client.drain, work)), clients)
        return sum(counts), time.perf_counter() - started


@contextmanager
def slow_clients(target: Target, count: int) -> Iterator[None]:
    """While the block runs, so many clients in another process fetch the whole file, sip by sip.

    Raises WrongAnswerError when one of them was not served.
    """
    context = multiprocessing.get_context("fork")
    begun, stop = context.Event(), context.Event()
    process = context.Process(target=_sip, args=(target, count, begun, stop), daemon=True)
    process.start()
    try:
        if not begun.wait(_SECONDS):
            raise WrongAnswerError("not every slow client was served")
        yield
    finally:
        stop.set()
        process.join(_SECONDS)
    if process.exitcode != 0:
        raise WrongAnswerError("a slow client was not served to the end, or other bytes than the file's")


def _sip(target: Target, count: int, begun: Event, stop: Event) -> None:
    with ExitStack() as stack:
        clients = [Client(target, window=_SIP) for _ in range(count)]
        for client in clients:
            stack.enter_context(client.socket)
        came = [client.ask(None)[1] for client in clients]
        while not stop.wait(_PAUSE):
            for number, client in enumerate(clients):
                came[number] += client.socket.recv(_SIP)
            begun.set()
    if not all(some and target.content.startswith(some) for some in came):
        raise WrongAnswerError(f"{target.path}: other bytes than the file's came")
