"""The dashboard: what waits, what runs, what failed, how far updates have spread; in a constant number of queries."""

from http import HTTPStatus

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from devices.identity import DeviceTypeKey
from devices.models import Device
from dus_project.dashboard import Spread, read
from tests.builders import UpdateShape, make_device, make_package, make_update, make_user
from updates.domain.lifecycle import State
from updates.models import Package

CX600 = DeviceTypeKey("UCPhone", "Polycom", "CX600", "A", "ENU")
pytestmark = pytest.mark.django_db


def extracting(name: str) -> Package:
    now = timezone.now()
    package = make_package(file_name=name)
    Package.objects.filter(pk=package.pk).update(
        state=Package.State.EXTRACTING, claimed_at=now, lease_until=now, done_bytes=40, total_bytes=100
    )
    return package


def page(client: Client) -> str:
    response = client.get("/admin/")
    assert response.status_code == HTTPStatus.OK
    return " ".join(response.content.decode().split())


def test_it_shows_what_waits_what_runs_what_failed_and_who_checked_in(client: Client) -> None:
    make_update("3.5.6907.35")
    extracting("running.cab")
    make_package(state=Package.State.FAILED, file_name="broken.cab")
    device = make_device()
    client.force_login(make_user(groups=("Viewers",)))
    text = page(client)
    for expected in ("3.5.6907.35", "running.cab", 'max="100" value="40"', "broken.cab", device.mac):
        assert expected in text


def test_it_shows_how_far_a_deployed_update_has_spread(client: Client) -> None:
    make_update("2.0", State.APPROVED)
    for version in ("2.0", "2.0", "1.0", ""):
        make_device(version=version)
    client.force_login(make_user(groups=("Viewers",)))
    text = page(client)
    assert "2 of 4 devices (50%)" in text
    assert '<rect class="on" width="50%"' in text


def test_a_device_counts_by_the_version_it_reports_for_the_update_type() -> None:
    make_update(shape=UpdateShape(version="7.0", update_type="LOADER", state=State.APPROVED))
    device = make_device(version="2.0")
    Device.objects.filter(pk=device.pk).update(versions={"LOADER": "7.0"})
    make_device(version="7.0", key=CX600)
    spread = read(make_user(groups=("Viewers",))).spread
    assert spread is not None
    assert [(row.devices_on, row.devices) for row in spread] == [(1, 1)]


@pytest.mark.parametrize(
    ("devices_on", "devices", "percent"),
    [(0, 0, 0), (0, 5, 0), (1, 1000, 1), (1, 2, 50), (999, 1000, 99), (1000, 1000, 100)],
)
def test_all_and_nothing_are_said_only_when_they_are_true(
    devices_on: int, devices: int, percent: int
) -> None:
    assert Spread(update=make_update(), devices_on=devices_on, devices=devices).percent == percent


def test_on_an_empty_service_it_says_that_there_is_nothing(client: Client) -> None:
    client.force_login(make_user(groups=("Viewers",)))
    text = page(client)
    for expected in (
        "No update waits for a decision.",
        "No update is deployed.",
        "No package is being extracted, and none has failed.",
        "No device has asked for updates yet.",
    ):
        assert expected in text


def test_it_counts_deployed_updates_beyond_those_it_shows(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dus_project.dashboard.SPREAD_ROWS", 1)
    make_update("1.0", State.APPROVED)
    make_update(shape=UpdateShape(key=CX600, state=State.APPROVED))
    client.force_login(make_user(groups=("Viewers",)))
    assert "and 1 more" in page(client)


def test_an_account_sees_only_what_it_may_see(client: Client) -> None:
    update = make_update("3.5.6907.35")
    make_package(state=Package.State.FAILED, file_name="broken.cab")
    device = make_device()
    client.force_login(make_user())
    text = page(client)
    for hidden in (update.version, "broken.cab", device.mac):
        assert hidden not in text


def test_its_cost_does_not_grow_with_the_service(
    client: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    client.force_login(make_user(groups=("Viewers",)))
    make_update("2.0", State.APPROVED)
    queries = 14
    with django_assert_num_queries(queries):
        page(client)
    for number in range(5):
        key = DeviceTypeKey("UCPhone", "Polycom", f"CX{number}", "A", "ENU")
        make_update(shape=UpdateShape(version="1.0", key=key))
        make_update(shape=UpdateShape(version="2.0", key=key, update_type="LOADER", state=State.APPROVED))
        make_device(key=key, version="1.0")
        extracting(f"{number}.cab")
        make_package(state=Package.State.FAILED)
    with django_assert_num_queries(queries):
        page(client)
