"""The service's web server on a scratch state directory, and what it costs, as Linux tells it in /proc."""

import http.client
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import psycopg
from psycopg.sql import SQL, Identifier

ROOT: Final = Path(__file__).resolve().parents[1]
SERVICE: Final = "dus_project.settings.base"
COMMANDS: Final = "bench.settings"
WORKERS: Final = 2
_START_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 10.0
_TICKS: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Scratch:
    """A migrated database and a state directory that go when the bench ends. `database` is its name on PostgreSQL."""

    state: Path
    url: str = ""
    database: str = ""

    @property
    def backing(self) -> str:
        return "PostgreSQL" if self.database else "SQLite"

    def environment(self, settings: str) -> dict[str, str]:
        """The service's defaults, whatever the settings of who runs the bench are."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("DUS_")}
        own = {
            "DJANGO_SETTINGS_MODULE": settings,
            "DUS_ENV_FILE": os.devnull,
            "DUS_STATE_DIR": str(self.state),
            "DUS_LOG_LEVEL": "WARNING",
            "PYTHONPATH": str(ROOT),
        }
        return inherited | own | ({"DUS_DATABASE_URL": self.url} if self.url else {})

    def manage(self, *arguments: str, settings: str = COMMANDS) -> str:
        """Run a management command and give what it printed."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments, "--skip-checks"],
            cwd=ROOT,
            env=self.environment(settings),
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        return done.stdout


@contextmanager
def scratch(database_url: str) -> Iterator[Scratch]:
    """A state directory below TMPDIR, and a database: SQLite in it, or a new one on the server of `database_url`."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dus-bench-")))
        made = Scratch(folder)
        if database_url and not database_url.startswith("sqlite"):
            name = f"dus_bench_{os.getpid()}"
            stack.enter_context(_database(database_url, name))
            made = Scratch(folder, urlsplit(database_url)._replace(path=f"/{name}").geturl(), name)
        made.manage("migrate", "--verbosity=0")
        yield made


@contextmanager
def _database(url: str, name: str) -> Iterator[None]:
    try:
        connected = psycopg.connect(url, autocommit=True)
    except psycopg.Error as error:
        raise SystemExit(
            f"DUS_DATABASE_URL: {error}\nName a PostgreSQL database whose user may create others."
        ) from error
    with connected as connection:
        connection.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
        try:
            yield
        finally:
            connection.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))


@dataclass
class Server:
    """A running web server; `database` names the PostgreSQL database whose backends work for it."""

    process: subprocess.Popen[bytes]
    port: int
    database: str = ""

    def cpu_seconds(self) -> float:
        """User and system time of all its processes so far, and of its backends in PostgreSQL."""
        return sum(map(_cpu_seconds, [*self._processes(), *_backends(self.database)]))

    def peak_mib(self) -> float:
        """The largest resident memory that one of its processes has had."""
        return max(_memory_mib(number, "VmHWM") for number in self._processes())

    def resident_mib(self) -> float:
        """The resident memory of its largest process now."""
        return max(_memory_mib(number, "VmRSS") for number in self._processes())

    def _processes(self) -> list[int]:
        found, fresh = [self.process.pid], [self.process.pid]
        while fresh:
            fresh = [child for parent in fresh for child in _children(parent)]
            found += fresh
        return found


def _children(number: int) -> list[int]:
    tasks = Path(f"/proc/{number}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


def _cpu_seconds(number: int) -> float:
    # proc(5): utime, stime and those of the children that were waited for are the fields 14 to 17.
    fields = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[11:15]
    return sum(map(int, fields)) / _TICKS


def _memory_mib(number: int, name: str) -> float:
    line = Path(f"/proc/{number}/status").read_text().split(f"{name}:")[1]
    return int(line.split()[0]) / 1024


def _backends(database: str) -> list[int]:
    """PostgreSQL's processes for a database, on this machine; a backend's command line names it."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline") if database else ():
        try:
            line = path.read_bytes().decode(errors="replace")
        except OSError:
            continue
        if line.startswith("postgres:") and database in line.split():
            found.append(int(path.parent.name))
    return found


@contextmanager
def service(made: Scratch, settings: str = SERVICE) -> Iterator[Server]:
    """The web server as `make serve` starts it, with two workers."""
    command = ("-m", "dus_project.serving.child", str(os.getpid()), "web", "127.0.0.1")
    port = _free_port()
    with _running(made, settings, (*command, str(port), f"--workers={WORKERS}"), port) as server:
        yield server


@contextmanager
def bare(made: Scratch, file: Path) -> Iterator[Server]:
    """The same server with a bare WSGI application that streams one file."""
    options = {
        "--interface": "wsgi",
        "--http": "1",
        "--workers": str(WORKERS),
        "--blocking-threads": "512",
        "--backpressure": "1024",
        "--log-level": "warning",
        "--port": str(port := _free_port()),
    }
    flat = [word for option in options.items() for word in option]
    made_environment = {"DUS_BENCH_FILE": str(file)}
    command = ("-m", "granian", *flat, "--no-ws", "bench.bare:application")
    with _running(made, SERVICE, command, port, made_environment) as server:
        yield server


@contextmanager
def _running(
    made: Scratch, settings: str, command: tuple[str, ...], port: int, more: dict[str, str] | None = None
) -> Iterator[Server]:
    log = made.state / f"server-{port}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=ROOT,
            env=made.environment(settings) | (more or {}),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait_for(process, port, log)
        yield Server(process, port, made.database)
    finally:
        process.terminate()
        try:
            process.wait(timeout=_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
            try:
                connection.request("GET", "/healthz")
                connection.getresponse().read()
            except OSError:
                time.sleep(0.05)
            else:
                return
    raise SystemExit(f"The web server does not answer. It said:\n{log.read_text()}")


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
