"""A phone: it asks at power-on, at sign-in and once in a while, fetches, waits until it is idle, and restarts.

The behaviour is that of the original's devices: two partitions of which the inactive one is overwritten, five idle
minutes before a restart, a check every 24 hours.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from devices.identity import MAX_NAME_BYTES, DeviceTypeKey, name_problem, shown
from updates import protocol
from updates.simulator.channel import Channel, Wanted
from updates.simulator.clock import Clock
from updates.simulator.errors import RefusedError, SimulatorError, StoppedError
from updates.simulator.flash import Flash, NewImage
from updates.simulator.report import Check, Fetch, Report
from updates.simulator.service import Service

POWER_ON: Final = "power-on"
SIGN_IN: Final = "sign-in"
INTERVAL: Final = "interval"
DAY_SECONDS: Final = 86_400.0
IDLE_SECONDS: Final = 300.0
# A service that offers something else after every restart would keep a phone busy for ever.
_RESTARTS: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who the phone is: MAC address and serial number in normal form, one of them may be empty."""

    device_type: DeviceTypeKey
    mac: str
    serial: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """What the phone does over time, in seconds.

    `checks` is how many checks it makes on its own account before it is switched off, 0 for no end, None for those of
    one start: at power-on, and at sign-in if there is a `user`. The check that follows a restart is not counted.
    """

    user: str = ""
    interval: float = DAY_SECONDS
    idle: float = IDLE_SECONDS
    checks: int | None = None


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a phone is connected to; `tell` gets a line for every step."""

    service: Service
    channel: Channel
    clock: Clock
    tell: Callable[[str], None] = lambda _line: None


class Phone:
    """One simulated phone."""

    def __init__(self, identity: Identity, habits: Habits, flash: Flash, surroundings: Surroundings) -> None:
        self._identity = identity
        self._habits = habits
        self._flash = flash
        self._service = surroundings.service
        self._channel = surroundings.channel
        self._clock = surroundings.clock
        self._tell = surroundings.tell
        self._report = Report(identity.mac, identity.serial)

    def run(self) -> Report:
        """From power-on until it is switched off; what went wrong stands in the report."""
        with suppress(StoppedError):
            for trigger in self._triggers():
                if trigger == INTERVAL:
                    self._clock.sleep(self._habits.interval)
                self._visit(trigger)
        report = self._report
        report.version = self._flash.active.version
        report.previous_version = self._flash.previous_version
        report.last_update = self._flash.last_update
        return report

    def _triggers(self) -> Iterator[str]:
        first = (POWER_ON, SIGN_IN) if self._habits.user else (POWER_ON,)
        limit = len(first) if self._habits.checks is None else self._habits.checks
        number = 0
        while not limit or number < limit:
            yield first[number] if number < len(first) else INTERVAL
            number += 1

    def _visit(self, trigger: str) -> None:
        """Checks; installs what is offered, restarts and checks again, until nothing more is offered."""
        for _restart in range(_RESTARTS):
            offers = self._check(trigger)
            if not offers or not self._update(offers):
                return
            trigger = POWER_ON
        self._fail(f"the service still offers updates after {_RESTARTS} restarts")

    def _check(self, trigger: str) -> Sequence[protocol.Download]:
        check = Check(self._clock.now().isoformat(timespec="seconds"), trigger)
        self._report.checks.append(check)
        try:
            url = self._service.find()
            if not url:
                check.reason = "updates_disabled"
                self._tell(f"{trigger}: the service has updates turned off")
                return ()
            answer = self._service.check(url, self._request())
        except RefusedError as error:
            check.status, check.reason = error.status, error.code
            self._fail(f"{trigger}: {error}")
            return ()
        except SimulatorError as error:
            check.reason = "failed"
            self._fail(f"{trigger}: {error}")
            return ()
        check.status, check.reason = 200, answer.reason
        check.offered = [download.version for download in answer.downloads]
        self._tell(f"{trigger}: offered {', '.join(check.offered) or 'nothing'} ({answer.reason})")
        return answer.downloads

    def _request(self) -> protocol.CheckRequest:
        key = self._identity.device_type
        active = self._flash.active
        modules = [
            protocol.ReportedModule(name, image.version, image.installed_at)
            for update_type, image in sorted(active.images.items())
            for name in _reported_names(update_type, image.files)
        ]
        return protocol.CheckRequest(
            family=key.family,
            mac=self._identity.mac,
            serial=self._identity.serial,
            vendor=key.brand,
            model=key.model,
            revision=key.revision,
            locale=key.locale,
            version=active.version or None,
            modules=tuple(modules[: protocol.MAX_MODULES]),
            user=self._habits.user,
        )

    def _update(self, offers: Sequence[protocol.Download]) -> bool:
        """Fetches all of `offers`, waits until idle, restarts into them; False when one of them failed."""
        try:
            images = [self._fetch(offer) for offer in offers]
            self._flash.write(images, now=self._clock.now())
        except SimulatorError as error:
            self._fail(str(error))
            return False
        except OSError as error:
            self._fail(f"the flash memory does not take the update: {error}")
            return False
        self._tell(f"waits until it is idle for {self._habits.idle:g} seconds")
        self._clock.sleep(self._habits.idle)
        self._flash.restart(now=self._clock.now())
        self._report.installed += [image.version for image in images]
        self._tell(f"restarted; runs {self._flash.active.version}")
        return True

    def _fetch(self, offer: protocol.Download) -> NewImage:
        """Raises SimulatorError, RefusedError among them; OSError."""
        _require_name(offer.update_type)
        installed = self._flash.active.images.get(offer.update_type)
        if installed is not None and installed.version == offer.version:
            raise SimulatorError(f"{offer.update_type} {offer.version} is offered to a phone that runs it")
        if not offer.modules:
            raise SimulatorError(f"{offer.update_type} {offer.version} is offered without files")
        files = []
        for module in offer.modules:
            files.append((module.file, self._fetch_file(offer, module.file, module)))
            if module.signature:
                files.append((module.signature, self._fetch_file(offer, module.signature, None)))
        return NewImage(
            offer.update_type,
            offer.version,
            [(name, self._flash.part(key)) for name, key in files],
        )

    def _fetch_file(self, offer: protocol.Download, name: str, module: protocol.OfferedModule | None) -> str:
        """Fetches one file, and gives the key of its part. Raises SimulatorError."""
        _require_name(name)
        url = self._service.address_of(offer, name)
        if module is None:
            wanted = Wanted(url=url)
        else:
            wanted = Wanted(url=url, size=module.size, sha256=module.sha256)
        # The same bytes under two names would take each other's part.
        key = hashlib.sha256(f"{wanted.sha256} {url}".encode()).hexdigest()
        fetched = self._channel.fetch(wanted, self._flash.part(key))
        self._report.downloads.append(Fetch(fetched.url, fetched.size, fetched.resumed))
        self._tell(f"fetched {url} ({fetched.size} bytes{', resumed' if fetched.resumed else ''})")
        return key

    def _fail(self, message: str) -> None:
        self._report.errors.append(message)
        self._tell(f"failed: {message}")


def _reported_names(update_type: str, files: Sequence[str]) -> Sequence[str]:
    """The files; where none is called as the update type, the type itself first: it tells the version of all."""
    names = [name for name in files if not name.casefold().endswith(".cat")]
    if any(name.casefold().rpartition(".")[0] == update_type.casefold() for name in names):
        return names
    return [update_type, *names]


def _require_name(name: str) -> None:
    """Raises SimulatorError for what would not be one name in the flash memory."""
    problem = name_problem(name, max_length=MAX_NAME_BYTES)
    if problem:
        raise SimulatorError(f"the name {shown(name)} {problem}")
