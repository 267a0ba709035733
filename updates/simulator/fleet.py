"""Many phones at once, each with its own address, memory and connections."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from devices.identity import MAX_SERIAL_LENGTH, IdentityError, normalise_mac, normalise_serial
from devices.wording import plain
from updates.simulator.channel import Channel, Credentials, Trust
from updates.simulator.clock import Clock
from updates.simulator.errors import SimulatorError, StoppedError
from updates.simulator.flash import Flash
from updates.simulator.phone import Habits, Identity, Phone, Surroundings
from updates.simulator.report import Report
from updates.simulator.service import Location, Service

MAX_COUNT: Final = 10_000
_AT_ONCE: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What all phones share; `first` is the identity that the others count up from."""

    location: Location
    first: Identity
    habits: Habits
    flash: Path
    factory_version: str
    count: int = 1
    trust: Trust = field(default_factory=Trust)
    credentials: Credentials | None = None


def identities(first: Identity, count: int) -> list[Identity]:
    """`count` phones: MAC addresses and serial numbers count up, so that every run has the same ones.

    Raises IdentityError when there are not so many.
    """
    return [
        replace(first, mac=_nth_mac(first.mac, number), serial=_nth_serial(first.serial, number))
        for number in range(count)
    ]


def simulate(plan: Plan, *, tell: Callable[[str], None] = lambda _line: None) -> list[Report]:
    """Plays all phones until each is switched off; Ctrl-C switches them off at their next pause.

    Raises IdentityError when there are not so many addresses.
    """
    stopped = threading.Event()

    def sleep(seconds: float) -> None:
        if stopped.wait(seconds):
            raise StoppedError

    clock = Clock(sleep=sleep)
    with ThreadPoolExecutor(min(plan.count, _AT_ONCE), thread_name_prefix="phone") as threads:
        futures = [
            threads.submit(_play, plan, identity, clock, tell)
            for identity in identities(plan.first, plan.count)
        ]
        while True:
            try:
                return [future.result() for future in futures]
            except KeyboardInterrupt:
                stopped.set()


def _play(plan: Plan, identity: Identity, clock: Clock, tell: Callable[[str], None]) -> Report:
    name = identity.mac or identity.serial
    folder = plan.flash if plan.count == 1 else plan.flash / name
    channel = Channel(trust=plan.trust, credentials=plan.credentials, clock=clock)
    with closing(channel):
        try:
            flash = Flash(folder, factory_version=plan.factory_version)
        except (SimulatorError, OSError) as error:
            return Report(identity.mac, identity.serial, errors=[str(error)])
        surroundings = Surroundings(
            Service(plan.location, channel), channel, clock, lambda line: tell(f"{name}: {line}")
        )
        return Phone(identity, plan.habits, flash, surroundings).run()


def _nth_mac(mac: str, number: int) -> str:
    if not mac:
        return ""
    digits = mac.replace("-", "")
    counted = f"{int(digits, 16) + number:0{len(digits)}X}"
    if len(counted) > len(digits):
        raise IdentityError(
            plain(f"after {mac} there are not {number} more MAC addresses; begin with a lower one")
        )
    return normalise_mac(counted)


def _nth_serial(serial: str, number: int) -> str:
    if not serial or not number:
        return serial
    end = f"-{number}"
    return normalise_serial(f"{serial[: MAX_SERIAL_LENGTH - len(end)]}{end}")
