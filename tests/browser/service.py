"""The service as people meet it: granian and a Celery worker as processes of their own, on a scratch state directory."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
USER, PASSWORD = "olga", "correct horse battery"
START_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Service:
    """A running service; `url` is the origin of its console."""

    url: str
    state: Path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@contextmanager
def running(state: Path) -> Iterator[Service]:
    """Starts web and worker with one superuser, and ends them."""
    port = free_port()
    environment = {
        key: value for key, value in os.environ.items() if not key.startswith(("DUS_", "DJANGO_"))
    } | {
        "DUS_ENV_FILE": os.devnull,
        "DUS_STATE_DIR": str(state),
        "DUS_HTTP_PORT": str(port),
        "DUS_SWEEP_SECONDS": "2",
        "DJANGO_SETTINGS_MODULE": "dus_project.settings.base",
        "DJANGO_SUPERUSER_PASSWORD": PASSWORD,
    }
    # The filesystem transport looks into its folders before anybody has put anything there.
    for folder in ("messages", "control"):
        (state / "queue" / folder).mkdir(parents=True)
    for command in (
        ["migrate", "--verbosity=0"],
        ["collectstatic", "--noinput", "--verbosity=0"],
        ["createsuperuser", "--noinput", f"--username={USER}", "--email=olga@example.org"],
    ):
        subprocess.run([sys.executable, "manage.py", *command], cwd=ROOT, env=environment, check=True)
    web = [str(BIN / "granian"), "--interface=wsgi", "--host=127.0.0.1", f"--port={port}"]
    web += ["--blocking-threads=8", "dus_project.wsgi:application"]
    worker = [str(BIN / "celery"), "-A", "dus_project", "worker", "--beat", "--concurrency=1"]
    with ExitStack() as processes:
        for name, command in (("web", web), ("worker", worker)):
            log = processes.enter_context((state / f"{name}.log").open("wb"))
            process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
            processes.callback(_end, process)
        service = Service(f"http://127.0.0.1:{port}", state)
        _wait(service)
        yield service


def _wait(service: Service) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            with urllib.request.urlopen(f"{service.url}/admin/login/", timeout=5):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(timeout=15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
