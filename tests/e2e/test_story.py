"""The whole story through the public doors: a real web server and worker, sample packages of three kinds, real phones."""

import hashlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from dus_project.demonstration.console import ADMINISTRATOR, Console
from dus_project.demonstration.service import Service
from dus_project.demonstration.steps import StepError, wait_for
from tests.cabs import need_samples, samples

pytestmark = pytest.mark.e2e

OLD, NEW = "1.0.522.101", "3.5.6907.187"
TESTER, INSIDE, OUTSIDE = "00-15-5D-00-00-01", "00-15-5D-00-00-02", "00-15-5D-00-00-03"


@dataclass
class World:
    """The running service, an administrator in the console, and phones that keep their memory."""

    service: Service
    console: Console

    def upload(self, name: str) -> None:
        self.console.upload(need_samples() / "uc" / name)

    def updates(self, **wanted: str) -> list[dict[str, object]]:
        filters = [part for name, value in wanted.items() for part in (f"--{name}", value)]
        listed = self.service.manage("list_updates", *filters)
        assert isinstance(listed, list)
        return listed

    def decide(self, command: str, version: str) -> dict[str, object]:
        outcome = self.service.manage(
            command, "--brand", "polycom", "--version", version, "--yes", "--as", ADMINISTRATOR
        )
        assert isinstance(outcome, dict)
        return outcome

    def visit(self, mac: str, *options: str) -> dict[str, object]:
        inside = f"http://127.0.0.1:{self.service.http}/provisioning/"
        report = self.service.manage(
            *("simulate_device", "--provisioning", inside, "--mac", mac, "--idle", "0", "--checks", "1"),
            *("--flash", str(self.flash(mac)), *options),
        )
        assert isinstance(report, dict)
        return report

    def flash(self, mac: str) -> Path:
        return self.service.scratch / "phones" / mac

    def comes_to(self, mac: str, version: str) -> None:
        """A decision reaches every process within a second: the phone may have to ask twice."""
        wait_for(
            lambda: self.visit(mac)["version"] == version,
            within=10,
            otherwise=f"{mac} does not come to run {version}",
        )


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    need_samples()
    service = Service(tmp_path)
    try:
        service.start()
        console = Console(service)
        console.sign_in(service.password)
        yield World(service, console)
    finally:
        with suppress(StepError):
            service.stop()


def image_of(version: str, package: str) -> str:
    """The SHA-256 of the Polycom image in a sample package, by the list of samples."""
    (sample,) = [sample for sample in samples() if sample.file == f"uc/{package}"]
    return next(
        member.sha256
        for member in sample.members
        if f"Polycom/CX700/A/ENU/{version}/" in member.name and member.name.endswith(".nbt")
    )


def installed_image(world: World, mac: str) -> set[str]:
    return {hashlib.sha256(path.read_bytes()).hexdigest() for path in world.flash(mac).glob("[ab]/CPE/*.nbt")}


def test_from_the_browser_to_the_phone_and_back(world: World) -> None:
    world.upload("UCUpdates-1.0.522.101.cab")
    pending = world.updates(version=OLD)
    assert {update["brand"] for update in pending} == {"Polycom", "LG-Nortel", "Microsoft"}
    assert {update["state"] for update in pending} == {"pending"}
    assert world.console.shows_pending(OLD)

    world.service.manage("test_device", "add", TESTER, "--as", ADMINISTRATOR)
    world.comes_to(TESTER, OLD)
    assert world.visit(INSIDE)["installed"] == []

    world.decide("approve_update", OLD)
    world.comes_to(INSIDE, OLD)
    assert image_of(OLD, "UCUpdates-1.0.522.101.cab") in installed_image(world, INSIDE)
    _from_outside(world)

    world.upload("UCUpdates-3.5.6907.187-nested.cab")
    world.decide("approve_update", NEW)
    world.comes_to(INSIDE, NEW)

    outcome = world.decide("restore_update", NEW)
    assert isinstance(outcome["restored"], list)
    assert outcome["restored"][0]["state"] == "approved"
    world.comes_to(INSIDE, OLD)
    assert world.visit(INSIDE)["previous_version"] == NEW
    assert [update["state"] for update in world.updates(version=NEW, brand="Polycom")] == ["rejected"]

    world.upload("flat-unmapped-4.0.7577.4066.cab")
    assert "4.0.7577.4066" not in {update["version"] for update in world.updates()}


def _from_outside(world: World) -> None:
    """Outside the firewall nothing is had without an account, and everything with one."""
    doors = (
        *("--outside", "--ca", str(world.service.certificate), "--profile", "json"),
        *("--provisioning", f"{world.service.console}/provisioning/"),
    )
    with pytest.raises(StepError, match="401 authentication_required: Anonymous access is not supported"):
        world.visit(OUTSIDE, *doors)
    secret = world.service.scratch / "password"
    secret.write_text(world.service.password, encoding="utf-8")

    report = world.visit(OUTSIDE, *doors, "--user", ADMINISTRATOR, "--password-file", str(secret))

    assert (report["version"], report["errors"]) == (OLD, [])
    assert isinstance(report["downloads"], list)
    assert all(fetch["url"].startswith(world.service.console) for fetch in report["downloads"])
