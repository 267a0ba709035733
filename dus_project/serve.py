"""`make serve`: the whole service on one machine, without root and without another server.

Prepares the state directory, starts two web servers (http and https) and a worker with its clock, watches over
them, and stops everything on Ctrl-C or SIGTERM. Run as `python -m dus_project.serve`.
"""

import fcntl
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Final

import django
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import Error as DatabaseError
from django.db import connections
from django.utils import timezone

from dus_project.serving import ports, preparation
from dus_project.serving.children import Child, Plan, stop_all
from dus_project.serving.ports import Port
from dus_project.serving.preparation import PreparationError

# How long the parts may take until they answer, and to stop, in seconds.
_START_PATIENCE: Final = 60.0
_STOP_PATIENCE: Final = 5.0
# How long a port may still be held by what a killed supervisor left behind.
_TAKEOVER_PATIENCE: Final = 15.0
_STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class StartError(Exception):
    """A part of the service does not run; the text names it and shows what it said last."""


def say(text: str) -> None:
    """Tells whoever started the service, at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


class _StopFlag:
    """Set when the service shall stop."""

    def __init__(self) -> None:
        self.is_set = False
        for number in _STOP_SIGNALS:
            # nohup ignores SIGHUP before we start, and means it.
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._set)

    def _set(self, _number: int, _frame: FrameType | None) -> None:
        self.is_set = True


def main() -> int:
    """Runs the service until it is told to stop; returns the exit status."""
    # Everything in the state directory is its owner's alone.
    os.umask(0o077)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dus_project.settings.base")
    try:
        django.setup()
        preparation.make_folders(settings.STATE_DIR)
        with _only_one(settings.STATE_DIR / "serve.lock") as after_a_crash:
            return _serve(after_a_crash=after_a_crash)
    except (ImproperlyConfigured, PreparationError, StartError) as error:
        say(f"\n{error}")
    except DatabaseError as error:
        say(
            f"\nThe database does not answer ({str(error).strip()}). Look at DUS_DATABASE_URL and at the database itself."
        )
    except KeyboardInterrupt:
        say("\nStopped.")
        return 128 + signal.SIGINT
    return 1


@contextmanager
def _only_one(path: Path) -> Iterator[bool]:
    """Holds the state directory for this process; yields whether the last holder was killed.

    Raises PreparationError when another process holds it.
    """
    with path.open("a+", encoding="ascii") as lock:
        lock.seek(0)
        holder = lock.read().strip()
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise PreparationError(
                f"The service is running already on {path.parent} (process {holder or 'unknown'}). "
                "Stop that one, or set DUS_STATE_DIR to another folder."
            ) from error
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield bool(holder)
        lock.truncate(0)


def _serve(*, after_a_crash: bool) -> int:
    state: Path = settings.STATE_DIR
    preparation.check_settings(say)
    certificate = preparation.make_certificate(state, timezone.now())
    http = Port(settings.DUS_BIND, settings.DUS_HTTP_PORT, "DUS_HTTP_PORT")
    https = Port(settings.DUS_BIND, settings.DUS_HTTPS_PORT, "DUS_HTTPS_PORT", certificate.certificate)
    for port in (http, https):
        reason = ports.wait_until_free(port, patience=_TAKEOVER_PATIENCE if after_a_crash else 0)
        if reason:
            raise PreparationError(reason)
    preparation.migrate(say)
    preparation.collect_static(say, state)
    if certificate.is_new:
        say(f"Made a certificate for https: {certificate.certificate}")
    if password := preparation.make_administrator():
        say(_greeting(password))
    connections.close_all()
    return _run(http, https, certificate.key)


def _greeting(password: str) -> str:
    return (
        f"\n  Administrator   {preparation.ADMINISTRATOR}\n"
        f"  Password        {password}\n"
        "\n  It is shown this once. To set another:\n"
        f"  .venv/bin/python manage.py changepassword {preparation.ADMINISTRATOR}\n"
    )


def _run(http: Port, https: Port, key: Path) -> int:
    stop = _StopFlag()
    children = [_web("web-http", http), _web("web-https", https, key), _worker()]
    try:
        for child in children:
            child.start()
        if _wait_until_ready(children, (http, https), stop):
            say(_addresses(http, https))
            _watch(children, stop)
        say("\nStopping ...")
    finally:
        stop_all(children, patience=_STOP_PATIENCE)
    say("Stopped.")
    return 0


def _plan(name: str, *arguments: str, **environment: str) -> Plan:
    return Plan(
        name=name,
        command=(sys.executable, "-m", "dus_project.serving.child", str(os.getpid()), *arguments),
        environment={"PYTHONUNBUFFERED": "1"} | environment,
        folder=settings.BASE_DIR,
        log=settings.STATE_DIR / "logs" / f"{name}.log",
    )


def _web(name: str, port: Port, key: Path | None = None) -> Child:
    tls = ("--certificate", str(port.certificate), "--key", str(key)) if port.certificate else ()
    workers = f"--workers={settings.DUS_WEB_WORKERS}"
    return Child(_plan(name, "web", port.address, str(port.number), workers, *tls))


def _worker() -> Child:
    processes = f"--processes={settings.DUS_WORKER_PROCESSES}"
    # Celery's own way to give up what runs instead of waiting for it: the job's lease brings it back.
    return Child(_plan("worker", "worker", processes, REMAP_SIGTERM="SIGQUIT"))


def _wait_until_ready(children: list[Child], listening: tuple[Port, ...], stop: _StopFlag) -> bool:
    """True when all ports answer, False when the service shall stop. Raises StartError when a part does not start."""
    deadline = time.monotonic() + _START_PATIENCE
    waiting = list(listening)
    while waiting and not stop.is_set:
        for child in children:
            if child.tend():
                raise StartError(_obituary(child))
        if time.monotonic() > deadline:
            said = "\n".join(_obituary(child) for child in children)
            raise StartError(f"{waiting[0].origin} does not answer after {_START_PATIENCE:.0f} s.\n{said}")
        waiting = [port for port in waiting if not ports.answers(port)]
        time.sleep(0.05)
    return not stop.is_set


def _watch(children: list[Child], stop: _StopFlag) -> None:
    """Keeps the parts running. Raises StartError when one of them dies again and again."""
    while not stop.is_set:
        for child in children:
            if not child.tend():
                continue
            if child.hopeless:
                raise StartError(_obituary(child))
            say(f"{_obituary(child)}\nIt is started again in {child.pause:.0f} s.")
        time.sleep(0.1)


def _obituary(child: Child) -> str:
    ended = "runs" if child.exit_status is None else f"ended with status {child.exit_status}"
    said = "".join(f"\n  | {line}" for line in child.last_lines()) or " It said nothing."
    return f"{child.plan.name} {ended}. Its last lines, from {child.plan.log}:{said}"


def _addresses(http: Port, https: Port) -> str:
    inside = settings.DUS_INTERNAL_URL
    outside = settings.DUS_EXTERNAL_URL
    return (
        "\nThe Device Update Service is running.\n\n"
        f"  Console          {https.origin}/admin/\n"
        f"                   {http.origin}/admin/ (on this machine only)\n"
        f"  Internal check   {inside}/RequestHandler/ucdevice.upx\n"
        f"  External check   {outside}/RequestHandlerExt/ucdevice.upx\n"
        f"  Provisioning     {inside}/provisioning/\n"
        f"  Logs             {settings.STATE_DIR / 'logs'}\n"
        "\nCtrl-C stops it."
    )


if __name__ == "__main__":
    sys.exit(main())
