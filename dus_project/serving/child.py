"""The processes that `make serve` starts: `python -m dus_project.serving.child SUPERVISOR-PID PART [ARGUMENTS]`.

Each ties its life to the supervisor's before it does anything else, so that none is left behind when the
supervisor is killed.
"""

import argparse
import ctypes
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from django.conf import settings
from granian import Granian
from granian.constants import HTTPModes, Interfaces, SSLProtocols
from granian.log import LogLevels

from dus_project.celery import app

# <linux/prctl.h>
_PR_SET_PDEATHSIG = 1
# How long a request that is being answered may hold up the stop, in seconds.
_STOP_SECONDS = 3


def main(arguments: Sequence[str]) -> None:
    """Runs one part of the service until it is told to stop."""
    parser = argparse.ArgumentParser(prog="python -m dus_project.serving.child")
    parser.add_argument("supervisor", type=int)
    parts = parser.add_subparsers(dest="part", required=True)
    web = parts.add_parser("web")
    web.add_argument("address")
    web.add_argument("port", type=int)
    web.add_argument("--workers", type=int, default=1)
    web.add_argument("--certificate", type=Path)
    web.add_argument("--key", type=Path)
    worker = parts.add_parser("worker")
    worker.add_argument("--processes", type=int, default=2)
    options = parser.parse_args(arguments)
    end_with(options.supervisor)
    if options.part == "web":
        _serve(options)
    else:
        _work(options)


def end_with(supervisor: int) -> None:
    """Asks the kernel for SIGTERM when the process `supervisor`, our parent, ends; exits if it has ended already.

    Only Linux knows this request; elsewhere only an orderly stop of the supervisor ends its children.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != supervisor:
        sys.exit(0)


def _serve(options: argparse.Namespace) -> None:
    Granian(
        "dus_project.wsgi:application",
        address=options.address,
        port=options.port,
        interface=Interfaces.WSGI,
        http=HTTPModes.http1,
        websockets=False,
        workers=options.workers,
        blocking_threads=settings.DUS_WEB_THREADS,
        backpressure=2 * settings.DUS_WEB_THREADS,
        workers_kill_timeout=_STOP_SECONDS,
        respawn_failed_workers=True,
        log_level=LogLevels.warning,
        ssl_cert=options.certificate,
        ssl_key=options.key,
        # Devices of the time speak TLS 1.2 at best.
        ssl_protocol_min=SSLProtocols.tls12,
    ).serve()


def _work(options: argparse.Namespace) -> None:
    # What is not done by then is given up; its lease runs out, and it is done after the next start.
    app.conf.worker_soft_shutdown_timeout = _STOP_SECONDS
    app.worker_main(
        [
            "worker",
            "--beat",
            f"--concurrency={options.processes}",
            "--loglevel=INFO",
            "--hostname=embedded@localhost",
            # One worker has nobody to gossip with, and starts sooner when it does not look for others.
            "--without-gossip",
            "--without-mingle",
            "--without-heartbeat",
        ]
    )


if __name__ == "__main__":
    main(sys.argv[1:])
