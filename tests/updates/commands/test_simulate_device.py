"""The simulated phone against the service's own doors."""

from pathlib import Path

import pytest
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from devices.models import Device
from tests.builders import make_user
from tests.updates.commands.shell import Shell
from tests.updates.commands.test_import_update import make_cabinet
from updates.models import Delivery, Update
from updates.services import decisions

pytestmark = pytest.mark.django_db(transaction=True)

FOLDER = "UCPhone/Polycom/CX700/A/ENU/1.0.522.101/CPE"


@pytest.fixture
def approved(shell: Shell, tmp_path: Path) -> Update:
    cabinet = make_cabinet(
        tmp_path / "UCUpdates.cab",
        [(f"{FOLDER}/CPE.nbt", b"image" * 1000), (f"{FOLDER}/CPE.cat", b"catalogue")],
    )
    shell.run("import_update", cabinet)
    update = Update.objects.get()
    decisions.approve([update.pk], by=None)
    return update


@pytest.fixture
def origin(live_server: LiveServer, settings: Settings) -> str:
    settings.DUS_INTERNAL_URL = live_server.url
    settings.DUS_CATALOGUE_SECONDS = 0.0
    return live_server.url


@pytest.mark.parametrize("profile", ["xml", "json"])
@pytest.mark.parametrize("door", ["--provisioning", "--url"])
def test_a_phone_gets_what_is_approved_and_the_service_knows_what_it_runs(
    shell: Shell, approved: Update, origin: str, door: str, profile: str
) -> None:
    ended = shell.run("simulate_device", door, origin, "--profile", profile, "--idle", 0, "--json")

    assert ended.error == ""
    report = ended.json
    assert isinstance(report, dict)
    assert (report["version"], report["previous_version"]) == ("1.0.522.101", "1.0.199.123")
    assert report["installed"] == ["1.0.522.101"]
    assert [
        (check["trigger"], check["offered"], check["reason"], check["status"]) for check in report["checks"]
    ] == [
        ("power-on", ["1.0.522.101"], "approved_differs", 200),
        ("power-on", [], "up_to_date", 200),
    ]
    assert {fetch["url"].rpartition("/")[2] for fetch in report["downloads"]} == {"CPE.nbt", "CPE.cat"}
    assert Device.objects.get(mac=report["mac"]).versions == {"CPE": "1.0.522.101"}
    assert Delivery.objects.get(update=approved).installed_at is not None


def test_people_read_the_phones_system_information(shell: Shell, approved: Update, origin: str) -> None:
    ended = shell.run("simulate_device", "--url", origin, "--idle", "0")

    assert "System Information of 00-15-5D-00-00-01" in ended.out
    assert "version           1.0.522.101" in ended.out
    assert "previous version  1.0.199.123" in ended.out
    assert "restarted; runs 1.0.522.101" in ended.err


def test_many_phones_report_as_a_list(shell: Shell, approved: Update, origin: str) -> None:
    ended = shell.run("simulate_device", "--url", origin, "--idle", "0", "--count", "3", "--json")

    assert isinstance(ended.json, list)
    assert [report["version"] for report in ended.json] == ["1.0.522.101"] * 3
    assert Device.objects.count() == len({report["mac"] for report in ended.json}) == 3


def test_the_memory_outlives_the_process(shell: Shell, approved: Update, origin: str, tmp_path: Path) -> None:
    flash = tmp_path / "flash"
    shell.run("simulate_device", "--url", origin, "--idle", "0", "--flash", flash)

    again = shell.run("simulate_device", "--url", origin, "--flash", flash, "--json").json

    assert isinstance(again, dict)
    assert (again["version"], again["installed"]) == ("1.0.522.101", [])


def test_outside_without_tls_the_phone_is_refused_and_the_command_fails(
    shell: Shell, origin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_user(name="mina", password="correct horse")
    monkeypatch.setenv("DUS_SIMULATOR_PASSWORD", "correct horse")

    ended = shell.run("simulate_device", "--url", origin, "--outside", "--user", "mina", "--json")

    assert "403 forbidden" in ended.error
    assert "correct horse" not in ended.out + ended.err + ended.error
    assert not Device.objects.exists()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--mac", "nonsense"), "is not a MAC address"),
        (("--serial", "a b"), "is not a serial number"),
        (("--mac", "", "--serial", ""), "MAC address or a serial number"),
        (("--brand", "a/b"), "brand"),
        (("--count", "0"), "at least 1"),
        (("--count", "1000000"), "at most"),
        (("--version", "no version at all, this is"), "--version"),
        (("--outside", "--user", "mina"), "has no password"),
        (("--user", "mina", "--password-file", "/nowhere"), "Name a readable text file"),
        (("--ca", "/nowhere"), "no such file"),
    ],
)
def test_what_makes_no_phone_is_refused_before_anything_is_sent(
    shell: Shell, arguments: tuple[str, ...], complaint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DUS_SIMULATOR_PASSWORD", raising=False)

    ended = shell.run("simulate_device", "--url", "http://127.0.0.1:9", *arguments)

    assert complaint in ended.error
    assert "not reached" not in ended.error
