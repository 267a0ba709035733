"""`make demo`: the whole story by itself, on a scratch state directory, through the doors that people and devices use.

It starts the real service, uploads sample packages in the console, decides at the shell, and plays phones inside and
outside the firewall. Run as `python -m dus_project.demo`; exit status 0 means that every step held.
"""

import io
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import requests

from devices.identity import DeviceTypeKey
from dus_project.demonstration.console import ADMINISTRATOR, Console
from dus_project.demonstration.service import Service
from dus_project.demonstration.steps import StepError, require, step
from updates.cabinet.writer import write_cabinet
from updates.simulator.channel import Credentials, Trust
from updates.simulator.fleet import Plan, simulate
from updates.simulator.phone import Habits, Identity
from updates.simulator.report import Report
from updates.simulator.service import Location

FACTORY, OLD, NEW = "1.0.199.123", "1.0.522.101", "3.5.6907.35"
TYPE: Final = DeviceTypeKey("UCPhone", "Polycom", "CX700", "A", "ENU")
TESTER, INSIDE, OUTSIDE = "00-15-5D-00-00-01", "00-15-5D-00-00-02", "00-15-5D-00-00-03"

# A decision holds on every process within a second (DUS_CATALOGUE_SECONDS).
_SETTLE_SECONDS: Final = 1.2
_IMAGE_BYTES: Final = 2_000_000


def make_package(path: Path, version: str) -> None:
    """A sample package: one made-up image with its catalogue, for one device type."""
    folder = f"{TYPE.path}/{version}/CPE"
    image = (f"image of {version} ".encode() * (_IMAGE_BYTES // 16))[:_IMAGE_BYTES]
    with path.open("w+b") as file:
        write_cabinet(
            file, [(f"{folder}/CPE.nbt", image), (f"{folder}/CPE.cat", b"catalogue of " + version.encode())]
        )


@dataclass(frozen=True, slots=True)
class Phones:
    """Simulated phones; each keeps its memory from one visit to the next."""

    service: Service

    def visit(self, mac: str, *, outside: bool = False, password: str = "") -> Report:
        """One power-on of a phone: a check, and all that follows from it, without the five idle minutes."""
        origin = self.service.console if outside else f"http://127.0.0.1:{self.service.http}"
        plan = Plan(
            location=Location(provisioning=f"{origin}/provisioning/", outside=outside),
            first=Identity(device_type=TYPE, mac=mac, serial=""),
            habits=Habits(user=ADMINISTRATOR if password else "", idle=0.0, checks=1),
            flash=self.service.scratch / "phones" / mac,
            factory_version=FACTORY,
            trust=Trust(ca=self.service.certificate),
            credentials=Credentials(ADMINISTRATOR, password) if password else None,
        )
        return simulate(plan)[0]


def runs(report: Report, version: str) -> None:
    """Raises StepError unless the phone got along without an error and runs `version`."""
    require(not report.errors, f"the phone reports: {'; '.join(report.errors)}")
    require(report.version == version, f"the phone runs {report.version}, not {version}")


class Story:
    """The steps, one line each."""

    def __init__(self, service: Service, say: Callable[[str], object]) -> None:
        self._service = service
        self._say = say
        self._phones = Phones(service)

    def tell(self) -> None:
        """Raises StepError at the first step that does not hold."""
        with self._step("start the service on a scratch directory (http, https, worker)"):
            self._service.start()
            console = Console(self._service)
            console.sign_in(self._service.password)
        self._import(console, OLD)
        self._test()
        self._approve(OLD)
        self._visit_inside(OLD, f"a phone inside downloads it, restarts, and runs {OLD}")
        self._visit_outside(OLD)
        self._import(console, NEW)
        self._approve(NEW)
        self._visit_inside(NEW, f"the phone inside goes on to {NEW}, keeping {OLD} in its other partition")
        with self._step(f"roll back: {OLD} is approved again"):
            outcome = self._decide("restore_update", NEW)
            require(outcome["restored"], "nothing was restored")
        self._visit_inside(OLD, f"the phone inside checks again and returns to {OLD}")
        with self._step(f"one more check: the phone is up to date with {OLD} and left alone"):
            report = self._phones.visit(INSIDE)
            runs(report, OLD)
            require(report.checks[0].offered == [], "the phone was offered something")
        with self._step("stop the service"):
            self._service.stop()

    def _step(self, text: str) -> AbstractContextManager[None]:
        return step(text, say=self._say)

    def _import(self, console: Console, version: str) -> None:
        with self._step(f"upload a package with {version} in the console; the worker makes it pending"):
            package = self._service.scratch / f"UCUpdates-{version}.cab"
            make_package(package, version)
            console.upload(package)
            require(console.shows_pending(version), f"Pending Updates does not show {version}")

    def _test(self) -> None:
        with self._step("an ordinary phone is offered nothing while the update is pending"):
            time.sleep(_SETTLE_SECONDS)
            report = self._phones.visit(INSIDE)
            runs(report, FACTORY)
            require(report.checks[0].offered == [], "the phone was offered a pending update")
        with self._step(f"a test device is offered the pending update and runs {OLD}"):
            self._service.manage("test_device", "add", TESTER, "--name", "test desk", "--as", ADMINISTRATOR)
            time.sleep(_SETTLE_SECONDS)
            runs(self._phones.visit(TESTER), OLD)

    def _approve(self, version: str) -> None:
        with self._step(f"approve {version}"):
            self._decide("approve_update", version)

    def _decide(self, command: str, version: str) -> dict[str, object]:
        outcome = self._service.manage(
            *(command, "--brand", TYPE.brand, "--version", version, "--as", ADMINISTRATOR, "--yes"),
            *("--reason", "demonstration"),
        )
        require(isinstance(outcome, dict) and outcome["done"], f"{command} decided nothing")
        time.sleep(_SETTLE_SECONDS)
        return outcome if isinstance(outcome, dict) else {}

    def _visit_inside(self, version: str, text: str) -> None:
        with self._step(text):
            report = self._phones.visit(INSIDE)
            runs(report, version)
            require(report.installed == [version], f"the phone installed {report.installed}")

    def _visit_outside(self, version: str) -> None:
        with self._step("a phone outside is denied without an account"):
            report = self._phones.visit(OUTSIDE, outside=True)
            require(report.checks[0].status == requests.codes.unauthorized, "the phone was not denied")
        with self._step(f"signed in over https it downloads, restarts, and runs {version}"):
            runs(self._phones.visit(OUTSIDE, outside=True, password=self._service.password), version)


def main() -> int:
    """Tells the story; gives the exit status."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace", line_buffering=True)
    started = time.monotonic()
    # Whoever ends the demonstration ends the service with it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    scratch = Path(tempfile.mkdtemp(prefix="dus-demo-"))
    service = Service(scratch)
    try:
        Story(service, _say).tell()
    except KeyboardInterrupt:
        _stop(service)
        shutil.rmtree(scratch, ignore_errors=True)
        _say("Stopped.")
        return 128 + signal.SIGINT
    except (StepError, OSError, subprocess.SubprocessError, ValueError) as error:
        _stop(service)
        _say(f"\n{error}\nWhat the service wrote is kept in {scratch}; {service.log.name} has its messages.")
        return 1
    shutil.rmtree(scratch, ignore_errors=True)
    _say(f"Every step held, in {time.monotonic() - started:.0f} s.")
    return 0


def _stop(service: Service) -> None:
    # What went wrong before is what people want to read.
    with suppress(StepError):
        service.stop()


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
