"""The real service, started as `make serve` starts it."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from dus_project.demonstration.steps import StepError, require, wait_for

ROOT: Final = Path(__file__).resolve().parents[2]

_START_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 15.0
_COMMAND_SECONDS: Final = 60.0


@dataclass
class Service:
    """The real service on a scratch directory, as `make serve` starts it."""

    scratch: Path
    http: int = 0
    https: int = 0
    password: str = ""
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def state(self) -> Path:
        return self.scratch / "state"

    @property
    def log(self) -> Path:
        return self.scratch / "service.log"

    @property
    def certificate(self) -> Path:
        return self.state / "secrets" / "certificate.pem"

    @property
    def console(self) -> str:
        return f"https://127.0.0.1:{self.https}"

    @property
    def environment(self) -> dict[str, str]:
        """The defaults, whatever the settings of who runs the demo are."""
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("DUS_") and name != "DJANGO_SETTINGS_MODULE"
        }
        return inherited | {
            "DUS_STATE_DIR": str(self.state),
            "DUS_HTTP_PORT": str(self.http),
            "DUS_HTTPS_PORT": str(self.https),
        }

    def start(self) -> None:
        """Starts the service and waits until it answers. Raises StepError with what it said."""
        self.http, self.https = free_ports()
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "dus_project.serve"],
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Ctrl-C is for the demo, which stops the service in order.
                start_new_session=True,
            )
        process = self.process

        def runs() -> bool:
            require(process.poll() is None, f"the service ended:\n{self.said()}")
            return "is running" in self.said()

        wait_for(runs, within=_START_SECONDS, otherwise="the service did not start in time")
        shown = re.search(r"^\s*Password\s+(\S+)\s*$", self.said(), re.MULTILINE)
        require(shown, "the service showed no password for the administrator")
        self.password = shown[1] if shown else ""

    def stop(self) -> None:
        """Stops the service, by force if it does not end in time. Raises StepError then."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            status = self.process.wait(timeout=_STOP_SECONDS)
        except subprocess.TimeoutExpired as error:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            raise StepError(f"the service did not stop within {_STOP_SECONDS:.0f} s") from error
        require(status == 0, f"the service ended with status {status}")

    def said(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def manage(self, *arguments: str) -> object:
        """Runs a management command with `--json` and gives what it printed. Raises StepError with its message."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments, "--json"],
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_COMMAND_SECONDS,
            check=False,
        )
        require(done.returncode == 0, f"{' '.join(arguments)}: {done.stderr.strip()}")
        return json.loads(done.stdout)


def free_ports() -> tuple[int, int]:
    """Two ports of the loopback address that nobody listens on."""
    with closing(socket.socket()) as first, closing(socket.socket()) as second:
        for probe in (first, second):
            probe.bind(("127.0.0.1", 0))
        return first.getsockname()[1], second.getsockname()[1]
