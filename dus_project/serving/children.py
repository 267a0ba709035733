"""Child processes of the supervisor: started, logged, restarted, stopped with all that they started."""

import os
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

_LOG_BYTES: Final = 5 * 1024 * 1024
_LAST_LINES: Final = 15
# A process that ran for as long as this (seconds) has started well; its next death counts as the first.
_SETTLED: Final = 20.0
_MOST_QUICK_DEATHS: Final = 5


class BoundedLog:
    """A log file that is moved aside to `<name>.1` when it is full, so that two times `limit` bytes are kept.

    The last lines stay in memory, for the message when the process that wrote them fails.
    """

    def __init__(self, path: Path, *, limit: int = _LOG_BYTES) -> None:
        self._path = path
        self._limit = limit
        self._file: IO[bytes] = path.open("ab")
        self._last: deque[str] = deque(maxlen=_LAST_LINES)

    def write(self, line: bytes) -> None:
        if self._file.tell() + len(line) > self._limit:
            self._file.close()
            self._path.replace(self._path.with_name(self._path.name + ".1"))
            self._file = self._path.open("ab")
        self._file.write(line)
        self._file.flush()
        self._last.append(line.decode("utf-8", "replace").rstrip())

    def last_lines(self) -> list[str]:
        return list(self._last)

    def close(self) -> None:
        self._file.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to run: a name for messages and the log, the command line, and what the environment gets on top."""

    name: str
    command: tuple[str, ...]
    environment: dict[str, str]
    folder: Path
    log: Path


class Child:
    """A process of the service, and its successors when it dies."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.quick_deaths = 0
        self.exit_status: int | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._pump: threading.Thread | None = None
        self._log = BoundedLog(plan.log)
        self._started = 0.0
        self._restart_at = 0.0

    def start(self) -> None:
        self._started = time.monotonic()
        self._process = subprocess.Popen(
            self.plan.command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=os.environ | self.plan.environment,
            cwd=self.plan.folder,
            # Ctrl-C in the terminal is for the supervisor; what this process starts can be ended with it.
            start_new_session=True,
        )
        self._pump = threading.Thread(target=self._copy, args=(self._process.stdout,), daemon=True)
        self._pump.start()

    def _copy(self, stream: Iterable[bytes] | None) -> None:
        for line in stream or ():
            self._log.write(line)

    def tend(self) -> bool:
        """Restarts the process when it has died and its pause is over; True when it has just been found dead."""
        if self._process is None:
            if time.monotonic() >= self._restart_at:
                self.start()
            return False
        status = self._process.poll()
        if status is None:
            return False
        lived = time.monotonic() - self._started
        self.quick_deaths = self.quick_deaths + 1 if lived < _SETTLED else 1
        self.exit_status = status
        self._sweep()
        self._restart_at = time.monotonic() + pause_before_restart(self.quick_deaths)
        return True

    @property
    def hopeless(self) -> bool:
        """Whether it died so often right after its start that trying on makes no sense."""
        return self.quick_deaths >= _MOST_QUICK_DEATHS

    @property
    def pause(self) -> float:
        """Seconds until the next start."""
        return max(self._restart_at - time.monotonic(), 0.0)

    def last_lines(self) -> list[str]:
        return self._log.last_lines()

    def ask_to_stop(self) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGTERM)

    def has_stopped(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def finish(self) -> None:
        """Ends at once what is left of the process and of what it started, and closes its log."""
        self._sweep()
        self._log.close()

    def _sweep(self) -> None:
        if self._process is None:
            return
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        if self._pump is not None:
            self._pump.join(timeout=1)
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._process = None


def pause_before_restart(quick_deaths: int) -> float:
    """Seconds to wait before a process is started again: 1, 2, 4, ... and 30 at most."""
    return float(min(2 ** (quick_deaths - 1), 30))


def stop_all(children: Iterable[Child], *, patience: float) -> None:
    """Asks all to stop, and after `patience` seconds makes them."""
    listed = list(children)
    for child in listed:
        child.ask_to_stop()
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline and not all(child.has_stopped() for child in listed):
        time.sleep(0.05)
    for child in listed:
        child.finish()
