"""What is remembered of checks and downloads."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pytest_django.fixtures import DjangoAssertNumQueries

from devices.identity import DeviceTypeKey
from devices.models import Device, DeviceType
from tests.builders import CX700, make_update
from updates.deliveries import CheckIn, Offered, fetched, record
from updates.domain.lifecycle import State
from updates.models import Delivery, Update

pytestmark = pytest.mark.django_db

T0 = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
MAC = "00-15-5D-0A-0B-0C"


def a_check_in(*offered: Update, mac: str = MAC, at: datetime = T0, running: str = "1.0") -> CheckIn:
    return CheckIn(
        at=at,
        mac=mac,
        serial="" if mac else "ABC1",
        device_type=CX700,
        version=running,
        versions={"CPE": running},
        address="10.1.2.3",
        account="amy",
        reason="approved_differs" if offered else "up_to_date",
        offered=tuple(Offered(update_id=update.pk, from_version=running) for update in offered),
    )


def mac(number: int) -> str:
    return f"00-15-5D-00-00-{number:02X}"


def test_a_device_is_made_at_its_first_check_and_updated_at_the_next() -> None:
    record([a_check_in()])
    record([replace(a_check_in(at=T0 + HOUR, running="2.0"), address="2001:db8::1", is_outside=True)])
    device = Device.objects.get()
    assert (device.first_seen, device.last_seen) == (T0, T0 + HOUR)
    assert (device.version, device.versions) == ("2.0", {"CPE": "2.0"})
    assert (device.last_address, device.is_outside, device.last_account) == ("2001:db8::1", True, "amy")
    assert device.last_reason == "up_to_date"


def test_a_check_like_the_last_one_costs_a_statement_for_the_device_and_one_for_each_offer(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    update, other = make_update("2.0", State.SUPERSEDED), make_update("3.0", State.APPROVED)
    record([a_check_in(update, other)])
    with django_assert_num_queries(3):
        record([replace(a_check_in(update, other, at=T0 + HOUR), address="2001:db8::1", account="bob")])
    with django_assert_num_queries(1):
        record([a_check_in(at=T0 + 2 * HOUR)])
    device = Device.objects.get()
    assert (device.first_seen, device.last_seen) == (T0, T0 + 2 * HOUR)
    offers = Delivery.objects.values_list("from_version", "offered_at", "last_offered_at")
    assert list(offers) == [("1.0", T0, T0 + HOUR)] * 2


def test_a_known_device_is_offered_another_update() -> None:
    record([a_check_in()])
    record([a_check_in(make_update("2.0", State.APPROVED), at=T0 + HOUR)])
    assert Device.objects.get().last_reason == "approved_differs"
    assert Delivery.objects.get().offered_at == T0 + HOUR


@pytest.mark.parametrize(
    ("column", "change"),
    [
        ("serial", {"serial": "ABC2"}),
        ("version", {"version": "2.0"}),
        ("versions", {"versions": {"CPE": "2.0"}}),
        ("is_outside", {"is_outside": True}),
        ("last_address", {"address": "2001:db8::1"}),
        ("last_account", {"account": "bob"}),
        ("last_reason", {"reason": "nothing_approved"}),
        ("device_type_id", {"device_type": replace(CX700, locale="JPN")}),
    ],
)
def test_whatever_a_device_says_anew_is_recorded(column: str, change: dict[str, Any]) -> None:
    record([a_check_in()])
    before: dict[str, Any] = {**Device.objects.values().get()}
    record([replace(a_check_in(at=T0 + HOUR), **change)])
    after = {**Device.objects.values().get()}
    changed = {name for name, value in after.items() if value != before[name]}
    assert changed == {"last_seen", column}


def test_a_device_without_a_mac_address_is_known_by_its_serial_number() -> None:
    record([a_check_in(mac="")])
    assert Device.objects.get().key == "serial:ABC1"


def test_an_unknown_type_is_made_and_a_known_one_keeps_its_spelling() -> None:
    record([a_check_in()])
    record(
        [
            replace(
                a_check_in(mac=mac(1)), device_type=DeviceTypeKey("ucphone", "POLYCOM", "cx700", "a", "enu")
            )
        ]
    )
    assert DeviceType.objects.get().key == CX700
    assert DeviceType.objects.get().devices.count() == 2


def test_an_offer_is_noted_once_with_its_first_and_last_time() -> None:
    update = make_update("2.0", State.APPROVED)
    record([a_check_in(update)])
    record([a_check_in(update, at=T0 + HOUR)])
    delivery = Delivery.objects.get()
    assert (delivery.from_version, delivery.fetched_at, delivery.installed_at) == ("1.0", None, None)
    assert (delivery.offered_at, delivery.last_offered_at) == (T0, T0 + HOUR)


def test_recording_a_check_in_twice_changes_nothing() -> None:
    update = make_update("2.0", State.APPROVED)
    record([a_check_in(update)])
    before = list(Delivery.objects.values()), list(Device.objects.values())
    record([a_check_in(update)])
    assert (list(Delivery.objects.values()), list(Device.objects.values())) == before


def test_a_device_that_reports_the_version_has_installed_it() -> None:
    update, other = make_update("2.0", State.SUPERSEDED), make_update("3.0", State.APPROVED)
    record([a_check_in(update, other), a_check_in(update, mac=mac(1))])
    record([a_check_in(other, at=T0 + HOUR, running="2.0")])
    installed = Delivery.objects.get(installed_at__isnull=False)
    assert (installed.device.mac, installed.update, installed.installed_at) == (MAC, update, T0 + HOUR)
    record([a_check_in(other, at=T0 + 2 * HOUR, running="2.0")])
    installed.refresh_from_db()
    assert installed.installed_at == T0 + HOUR


def test_what_a_device_runs_it_has_fetched_even_if_the_download_was_counted_for_its_neighbour() -> None:
    update = make_update("2.0", State.APPROVED)
    first, second = mac(1), mac(2)
    record([a_check_in(update, mac=first), a_check_in(update, mac=second, at=T0 + HOUR)])
    # The second phone downloads, and the oldest offer at their address is the first one's.
    assert fetched(update_id=update.pk, address="10.1.2.3", account="", now=T0 + 2 * HOUR)
    record([a_check_in(mac=second, at=T0 + 3 * HOUR, running="2.0")])
    at = dict(Delivery.objects.values_list("device__mac", "fetched_at"))
    assert at == {first: T0 + 2 * HOUR, second: T0 + 3 * HOUR}


def test_an_update_that_was_never_offered_is_not_noted_as_installed() -> None:
    make_update("2.0", State.APPROVED)
    record([a_check_in(running="2.0")])
    assert not Delivery.objects.exists()


def test_a_version_of_another_update_type_is_not_taken_for_it() -> None:
    update = make_update("2.0", State.APPROVED)
    record([a_check_in(update)])
    record([replace(a_check_in(running="2.0"), versions={"BOOT": "2.0"})])
    assert Delivery.objects.get().installed_at is None


def test_a_device_that_is_offered_what_it_had_installed_has_to_fetch_and_install_it_again() -> None:
    update = make_update("2.0", State.APPROVED)
    record([a_check_in(update)])
    assert fetched(update_id=update.pk, address="10.1.2.3", account="", now=T0)
    record([a_check_in(at=T0 + HOUR, running="2.0")])
    record([a_check_in(update, at=T0 + 2 * HOUR, running="3.0")])
    delivery = Delivery.objects.get()
    assert (delivery.fetched_at, delivery.installed_at, delivery.from_version) == (None, None, "3.0")
    assert (delivery.offered_at, delivery.last_offered_at) == (T0, T0 + 2 * HOUR)


def test_of_several_check_ins_of_one_device_the_latest_describes_it_and_none_is_lost() -> None:
    update = make_update("2.0", State.APPROVED)
    record(
        [a_check_in(at=T0 + 2 * HOUR, running="2.0"), a_check_in(update), a_check_in(update, at=T0 + HOUR)]
    )
    device = Device.objects.get()
    assert (device.last_seen, device.version) == (T0 + 2 * HOUR, "2.0")
    assert Delivery.objects.get().last_offered_at == T0 + HOUR


def test_an_offer_of_an_update_that_was_removed_is_left_out_and_the_rest_recorded() -> None:
    update, removed = make_update("2.0", State.APPROVED), make_update("3.0", State.SUPERSEDED)
    check_in = a_check_in(update, removed)
    removed.delete()
    record([check_in])
    assert Delivery.objects.get().update == update


def test_what_a_device_says_is_cut_to_what_is_kept() -> None:
    update = make_update("2.0", State.APPROVED)
    record([replace(a_check_in(update, running="9" * 256), account="a" * 256)])
    device = Device.objects.get()
    assert (len(device.version), len(device.versions["CPE"]), len(device.last_account)) == (64, 64, 150)
    assert len(Delivery.objects.get().from_version) == 64


def test_nothing_is_recorded_of_nothing(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    with django_assert_num_queries(0):
        record([])


@pytest.mark.parametrize("number", [2, 60])
def test_many_check_ins_cost_as_many_queries_as_two(
    number: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    update = make_update("2.0", State.APPROVED)
    with django_assert_num_queries(7):
        # Savepoint, types, devices, updates, deliveries, new deliveries, release.
        record([a_check_in(update, mac=mac(device)) for device in range(number)])
    with django_assert_num_queries(6):
        # Savepoint, types, devices, deliveries, installed, release.
        record([a_check_in(mac=mac(device), running="2.0") for device in range(number)])
    with django_assert_num_queries(5):
        record([a_check_in(mac=mac(device), running="2.0") for device in range(number)])
    assert Delivery.objects.filter(installed_at=T0).count() == number


def test_downloads_behind_a_shared_address_count_for_the_devices_in_turn() -> None:
    update = make_update("2.0", State.APPROVED)
    record([a_check_in(update, mac=mac(1), at=T0 + HOUR), a_check_in(update, mac=mac(2))])

    def fetch(address: str = "10.1.2.3", account: str = "") -> bool:
        return fetched(update_id=update.pk, address=address, account=account, now=T0)

    assert not fetch("10.9.9.9")
    assert not fetch(account="bob")
    assert fetch(account="amy")
    assert Delivery.objects.get(fetched_at__isnull=False).device.mac == mac(2)
    assert fetch()
    assert not fetch()


def test_a_download_of_another_update_is_not_noted() -> None:
    update, other = make_update("2.0", State.APPROVED), make_update("3.0", State.PENDING)
    record([a_check_in(update)])
    assert not fetched(update_id=other.pk, address="10.1.2.3", account="", now=T0)
