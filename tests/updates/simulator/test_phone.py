"""A phone against a service that breaks off, lies and is busy."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from devices.identity import IdentityError
from tests.builders import CX700
from tests.updates.simulator.station import Station, running_station
from updates import protocol
from updates.simulator.channel import Channel, Credentials, Trust
from updates.simulator.clock import Clock
from updates.simulator.errors import StoppedError
from updates.simulator.flash import Flash
from updates.simulator.fleet import identities
from updates.simulator.phone import Habits, Identity, Phone, Surroundings
from updates.simulator.report import Report
from updates.simulator.service import Location, Service

ME = Identity(device_type=CX700, mac="00-15-5D-0A-0B-0C", serial="ABC-1")
NORMAL = Habits()
IMAGE = bytes(range(256)) * 800


@pytest.fixture
def station() -> Iterator[Station]:
    with running_station() as running:
        yield running


@dataclass
class World:
    """A phone's surroundings, with time that passes at once and is written down."""

    station: Station
    folder: Path
    slept: list[float] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    location: Location = field(default_factory=Location)
    credentials: Credentials | None = None
    switch_off_after: int = 1000

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        if len(self.slept) >= self.switch_off_after:
            raise StoppedError

    def run(self, habits: Habits = NORMAL) -> Report:
        location = (
            self.location if self.location.provisioning else replace(self.location, url=self.station.url)
        )
        clock = Clock(sleep=self.sleep)
        channel = Channel(trust=Trust(), credentials=self.credentials, clock=clock)
        flash = Flash(self.folder, factory_version="1.0.199.123")
        surroundings = Surroundings(Service(location, channel), channel, clock, self.told.append)
        try:
            return Phone(ME, habits, flash, surroundings).run()
        finally:
            channel.close()


@pytest.fixture
def world(station: Station, tmp_path: Path) -> World:
    return World(station, tmp_path / "flash")


def test_it_downloads_waits_until_idle_restarts_and_reports_the_new_version(world: World) -> None:
    world.station.offer("1.0.522.101", {"CPE.nbt": IMAGE})

    report = world.run()

    assert (report.version, report.previous_version) == ("1.0.522.101", "1.0.199.123")
    assert report.errors == []
    assert report.installed == ["1.0.522.101"]
    assert report.last_update is not None
    assert world.slept == [300]
    assert [(check.trigger, check.offered) for check in report.checks] == [
        ("power-on", ["1.0.522.101"]),
        ("power-on", []),
    ]
    before, after = world.station.checks
    assert (before.version, before.modules) == ("1.0.199.123", ())
    assert after.version == "1.0.522.101"
    assert [(module.name, module.version) for module in after.modules] == [("CPE.nbt", "1.0.522.101")]


def test_the_new_image_overwrites_the_inactive_partition_only(world: World) -> None:
    for version in ("1.0.522.101", "3.5.6907.35"):
        world.station.offer(version, {"CPE.nbt": version.encode()})
        world.run()

    assert (world.folder / "a/CPE/CPE.nbt").read_bytes() == b"3.5.6907.35"
    assert (world.folder / "b/CPE/CPE.nbt").read_bytes() == b"1.0.522.101"
    state = json.loads((world.folder / "state.json").read_text())
    assert state["active"] == "a"
    assert list((world.folder / "download").iterdir()) == []


def test_a_second_run_goes_on_with_the_memory_of_the_first(world: World) -> None:
    world.station.offer("1.0.522.101", {"CPE.nbt": IMAGE})
    world.run()

    again = world.run()

    assert (again.version, again.previous_version) == ("1.0.522.101", "1.0.199.123")
    assert world.station.checks[-1].version == "1.0.522.101"


def test_a_broken_download_goes_on_where_it_broke_off(world: World) -> None:
    world.station.offer("1.0.522.101", {"CPE.nbt": IMAGE})
    world.station.break_after = [100_000, 50_000]

    report = world.run()

    assert report.version == "1.0.522.101"
    assert [(fetch.bytes, fetch.resumed) for fetch in report.downloads] == [(len(IMAGE), True)]
    assert [(wanted, if_range) for _path, wanted, if_range in world.station.gets] == [
        ("", ""),
        ("bytes=100000-", '"v1"'),
        ("bytes=150000-", '"v1"'),
    ]


def test_a_download_that_never_ends_is_kept_for_the_next_run(world: World) -> None:
    world.station.offer("1.0.522.101", {"CPE.nbt": IMAGE})
    world.station.break_after = [5000, 0, 0, 0, 0, 0]
    assert "5000 bytes are kept for the next try" in world.run().errors[0]

    world.station.offer("1.0.522.101", {"CPE.nbt": IMAGE})
    report = world.run()

    assert report.version == "1.0.522.101"
    assert world.station.gets[-1][1] == "bytes=5000-"


def test_a_file_that_changed_meanwhile_is_fetched_from_the_start(world: World) -> None:
    world.station.offer("1.0.522.101", {"CPE.nbt": IMAGE})
    world.station.break_after = [1000]
    world.station.ranges = False

    report = world.run()

    assert report.version == "1.0.522.101"
    assert report.downloads[0].resumed is False


@pytest.mark.parametrize(
    ("lie", "grown", "complaint"), [("0" * 64, 0, "the SHA-256 is"), ("", 5, "more than the")]
)
def test_other_bytes_than_promised_are_not_installed_nor_kept(
    world: World, lie: str, grown: int, complaint: str
) -> None:
    world.station.offer("1.0.522.101", {"CPE.nbt": IMAGE}, lie=lie, grown=grown)

    report = world.run()

    assert complaint in report.errors[0]
    assert (report.version, report.installed) == ("1.0.199.123", [])
    assert list((world.folder / "download").iterdir()) == []
    assert world.slept == []


@pytest.mark.parametrize("name", ["../CPE.nbt", "a/b", "..", ""])
def test_a_name_that_leads_out_of_the_memory_is_not_fetched(world: World, name: str) -> None:
    world.station.offer("1.0.522.101", {name: IMAGE})

    assert "the name" in world.run().errors[0]
    assert world.station.gets == []


def test_it_checks_at_power_on_at_sign_in_and_on_its_interval(world: World) -> None:
    report = world.run(Habits(user="mina", checks=4))

    assert [check.trigger for check in report.checks] == ["power-on", "sign-in", "interval", "interval"]
    assert world.slept == [86_400, 86_400]
    assert {request.user for request in world.station.checks} == {"mina"}


def test_without_a_number_it_goes_on_until_it_is_switched_off(world: World) -> None:
    world.switch_off_after = 3

    report = world.run(Habits(checks=0, interval=60.0))

    assert world.slept == [60, 60, 60]
    assert len(report.checks) == 3
    assert report.errors == []


def test_it_waits_as_long_as_a_busy_service_asks(world: World) -> None:
    world.station.refusals = [(503, {"Retry-After": "7"}), (429, {})]

    report = world.run()

    assert report.errors == []
    assert world.slept == [7, 2]


def test_a_refusal_is_reported_in_the_words_of_the_service(world: World) -> None:
    world.station.refusals = [(403, {})]

    report = world.run()

    assert (report.checks[0].status, report.checks[0].reason) == (403, "forbidden")
    assert "internal network" in report.errors[0]


def test_a_password_is_never_sent_over_plain_http(world: World) -> None:
    world.credentials = Credentials("mina", "secret")
    world.station.refusals = [(401, {"WWW-Authenticate": "Basic realm=x"})]

    assert world.run(Habits(user="mina", checks=1)).checks[0].status == 401
    assert world.station.checks == []
    assert "secret" not in repr(world.credentials)


def test_a_service_that_is_not_there_is_an_error_after_some_patience(tmp_path: Path) -> None:
    world = World(Station(url="http://127.0.0.1:9"), tmp_path)

    report = world.run()

    assert "is not reached" in report.errors[0]
    assert report.checks[0].status is None
    assert len(world.slept) == 5


def test_a_phone_finds_the_service_by_provisioning_and_obeys_its_switch(world: World) -> None:
    station = world.station
    world.location = Location(provisioning=station.url, outside=True)
    handler = f"{station.url}/RequestHandler/ucdevice.upx"
    station.provisioning = protocol.Provisioning("", handler, enabled=True)
    assert world.run().checks[0].status == 200

    station.provisioning = protocol.Provisioning("", handler, enabled=False)
    report = world.run()

    assert (report.checks[0].reason, report.errors) == ("updates_disabled", [])
    assert len(station.checks) == 1


def test_a_service_that_always_offers_something_else_does_not_keep_it_busy_for_ever(world: World) -> None:
    for number in range(10):
        world.station.offer(f"2.0.{number}", {"CPE.nbt": b"image"})

    report = world.run(Habits(idle=0.0))

    assert report.installed == ["2.0.0", "2.0.1", "2.0.2", "2.0.3", "2.0.4"]
    assert "after 5 restarts" in report.errors[0]


def test_the_version_it_runs_is_not_installed_again(world: World) -> None:
    for _time in range(2):
        world.station.offer("2.0", {"CPE.nbt": b"image"})

    report = world.run()

    assert report.installed == ["2.0"]
    assert "is offered to a phone that runs it" in report.errors[0]


def test_the_phones_of_a_fleet_have_addresses_of_their_own_and_the_same_every_time() -> None:
    fleet = identities(ME, 300)

    assert len({one.mac for one in fleet}) == len({one.serial for one in fleet}) == 300
    assert (fleet[1].mac, fleet[1].serial) == ("00-15-5D-0A-0B-0D", "ABC-1-1")
    assert identities(ME, 300) == fleet
    with pytest.raises(IdentityError, match="not 1 more"):
        identities(replace(ME, mac="FF-FF-FF-FF-FF-FF"), 2)
