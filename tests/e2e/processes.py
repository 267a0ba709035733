"""Real processes of the service, on a state directory of their own."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from django.db import connection

ROOT = Path(__file__).resolve().parents[2]


def free_port() -> int:
    """A port of the loopback address that nobody listened on a moment ago."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def database_url() -> str:
    """The test database, as the service's processes are told of it."""
    entry = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{entry['NAME']}"
    password = f":{entry['PASSWORD']}" if entry["PASSWORD"] else ""
    return f"postgres://{entry['USER']}{password}@{entry['HOST']}:{entry['PORT'] or 5432}/{entry['NAME']}"


def eventually(condition: Callable[[], bool], *, within: float, pause: float = 0.05) -> bool:
    """Whether `condition` comes true within so many seconds."""
    deadline = time.monotonic() + within
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
    return True


def alive(processes: Iterable[int]) -> list[int]:
    """Those of `processes` that still run; the dead whom nobody asked for are dead."""
    known = _parents()
    return [number for number in processes if number in known]


def _parents() -> dict[int, int]:
    """Every running process with the one that started it (proc(5), stat)."""
    parents = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = entry.read_text().rpartition(")")[2].split()[:2]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if state not in {"Z", "X"}:
            parents[int(entry.parent.name)] = int(parent)
    return parents


@dataclass
class Process:
    """A started program in a process group of its own, and the file of what it says."""

    popen: subprocess.Popen[bytes]
    log: Path

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal to the program and all its children."""
        with suppress(ProcessLookupError):
            os.killpg(self.popen.pid, number)

    def freeze(self) -> None:
        self.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.signal(signal.SIGCONT)

    def kill(self) -> None:
        """Ends it as a power cut would."""
        self.signal(signal.SIGKILL)
        self.popen.wait(timeout=10)

    def stop(self, *, within: float = 10) -> int:
        """Asks it to end and gives its exit code; kills what does not end in time."""
        self.popen.terminate()
        try:
            return self.popen.wait(timeout=within)
        finally:
            self.kill()

    def descendants(self) -> set[int]:
        """The numbers of all processes that it started, and that these started."""
        found, fresh = set[int](), {self.popen.pid}
        while fresh:
            found |= fresh
            fresh = {child for child, parent in _parents().items() if parent in fresh} - found
        return found - {self.popen.pid}

    def output(self) -> str:
        return self.log.read_text(errors="replace")


@dataclass
class Service:
    """The service's programs, their state below `state`, configured by `environment` on top of the defaults."""

    state: Path
    environment: dict[str, str] = field(default_factory=dict)
    processes: list[Process] = field(default_factory=list)

    def start(self, name: str, *command: str, environment: Mapping[str, str] | None = None) -> Process:
        """Starts a program; what it says goes to a log below the state directory."""
        log = self.state / "logs" / f"{len(self.processes)}-{name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as output:
            popen = subprocess.Popen(
                command,
                cwd=ROOT,
                env=self._environment(environment or {}),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        process = Process(popen, log)
        self.processes.append(process)
        return process

    def make_folders(self) -> None:
        """What the first start makes for a queue of files."""
        for name in ("messages", "control"):
            (self.state / "queue" / name).mkdir(parents=True, exist_ok=True)

    def worker(self) -> Process:
        """A worker with one process for tasks, and the schedule."""
        options = ("--concurrency", "1", "--loglevel", "INFO", "--without-gossip", "--without-mingle")
        return self.start(
            "worker", sys.executable, "-m", "celery", "-A", "dus_project", "worker", "-B", *options
        )

    def manage(self, *arguments: str, within: float = 60) -> str:
        """Runs a management command to its end and gives what it printed."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self._environment({}),
            check=True,
            capture_output=True,
            text=True,
            timeout=within,
        )
        return done.stdout

    def close(self) -> None:
        """Kills whatever still runs."""
        for process in self.processes:
            process.kill()

    def logs(self) -> str:
        """What all programs said, for a test that failed."""
        return "\n".join(f"--- {process.log.name}\n{process.output()}" for process in self.processes)

    def _environment(self, more: Mapping[str, str]) -> dict[str, str]:
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("DUS_") and name != "DJANGO_SETTINGS_MODULE"
        }
        own = {"DUS_STATE_DIR": str(self.state), "DUS_DATABASE_URL": database_url()}
        return inherited | own | self.environment | dict(more)
