"""Devices in the console: found in every spelling, shown with what was offered to them, never edited."""

from http import HTTPStatus

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from devices.identity import DeviceTypeKey
from devices.models import Device, TestDevice
from tests.builders import make_device, make_update, make_user
from updates.domain.lifecycle import State
from updates.models import Delivery, LedgerEntry

LIST = "/admin/devices/device/"
MAC = "00-15-5D-0A-0B-0C"
pytestmark = pytest.mark.django_db


@pytest.fixture
def viewer(client: Client) -> Client:
    client.force_login(make_user(groups=("Viewers",)))
    return client


def page(client: Client, query: str = "") -> str:
    response = client.get(f"{LIST}?{query}")
    assert response.status_code == HTTPStatus.OK
    return response.content.decode()


def make_test_device(device: Device) -> TestDevice:
    return TestDevice.objects.create(kind="mac", identifier=device.mac, name="bench")


def test_it_lists_devices_as_they_were_seen_last(viewer: Client) -> None:
    device = make_device(MAC, version="1.0.522.101")
    Device.objects.filter(pk=device.pk).update(serial="SN1", last_reason="up_to_date", is_outside=True)
    text = page(viewer)
    for expected in (MAC, "SN1", "CX700", "1.0.522.101", "runs the approved version", "outside"):
        assert expected in text


def test_a_reason_of_another_release_is_shown_as_it_is(viewer: Client) -> None:
    device = make_device(MAC)
    Device.objects.filter(pk=device.pk).update(last_reason="of_tomorrow")
    assert "of_tomorrow" in page(viewer)


@pytest.mark.parametrize("term", [MAC, "00:15:5d:0a:0b:0c", "00155d0a0b0c", "0B-0C", "SN-4711", "1.0.522"])
def test_a_device_is_found_by_what_people_know_of_it(viewer: Client, term: str) -> None:
    device = make_device(MAC, version="1.0.522.101")
    Device.objects.filter(pk=device.pk).update(serial="SN-4711")
    other = make_device("00-15-5D-FF-FF-FF", version="9")
    text = page(viewer, f"q={term}")
    assert MAC in text
    assert other.mac not in text


def test_devices_are_filtered_by_type_and_by_being_test_devices(viewer: Client) -> None:
    test, other = make_device(), make_device(key=DeviceTypeKey("UCPhone", "HP", "4120", "A", "ENU"))
    make_test_device(test)
    for query in ("test=yes", "device_type__brand=Polycom", "device_type__model=CX700&is_outside__exact=0"):
        text = page(viewer, query)
        assert test.mac in text
        assert other.mac not in text
    assert test.mac not in page(viewer, "test=no")
    assert test.mac in page(viewer, "test=perhaps")


def test_its_page_shows_what_was_offered_fetched_and_installed(viewer: Client) -> None:
    device, update, now = make_device(MAC, version="1.0"), make_update("2.0"), timezone.now()
    Delivery.objects.create(
        device=device,
        update=update,
        from_version="1.0",
        offered_at=now,
        last_offered_at=now,
        fetched_at=now,
        installed_at=now,
    )
    text = viewer.get(f"{LIST}{device.pk}/change/").content.decode()
    for expected in (MAC, "2.0", "from 1.0", "fetched", "installed", f"/updates/update/{update.pk}/change/"):
        assert expected in text


def test_its_page_costs_the_same_however_much_was_delivered(
    viewer: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    device, now = make_device(MAC), timezone.now()
    queries = 9
    for version in ("1.0", "2.0"):
        update = make_update(version, State.SUPERSEDED)
        Delivery.objects.create(device=device, update=update, offered_at=now, last_offered_at=now)
        with django_assert_num_queries(queries):
            viewer.get(f"{LIST}{device.pk}/change/")


def test_the_list_costs_the_same_whatever_its_length(
    viewer: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    make_device()
    queries = 11
    with django_assert_num_queries(queries):
        page(viewer)
    for _number in range(5):
        make_device()
    with django_assert_num_queries(queries):
        page(viewer)


def test_a_device_is_marked_as_test_device_by_one_button(client: Client) -> None:
    device = make_device(MAC)
    client.force_login(make_user(groups=("Operators",), name="ken"))
    assert "Mark as test device" in client.get(f"{LIST}{device.pk}/change/").content.decode()
    response = client.post(f"{LIST}{device.pk}/test/", follow=True)
    assert TestDevice.objects.get().identifier == MAC
    assert LedgerEntry.objects.get().actor_name == "ken"
    text = response.content.decode()
    assert "is a test device now" in text
    assert "Mark as test device" not in text


def test_a_device_without_a_mac_is_marked_by_its_serial_number(client: Client) -> None:
    device = make_device(MAC)
    Device.objects.filter(pk=device.pk).update(mac="", serial="SN-1")
    client.force_login(make_user(groups=("Operators",)))
    client.post(f"{LIST}{device.pk}/test/")
    assert TestDevice.objects.get().identifier == "SN-1"


def test_marking_twice_says_that_it_is_one_already(client: Client) -> None:
    device = make_device(MAC)
    client.force_login(make_user(groups=("Operators",)))
    make_test_device(device)
    response = client.post(f"{LIST}{device.pk}/test/", follow=True)
    assert "is a test device already" in response.content.decode()
    assert TestDevice.objects.count() == 1


def test_without_the_permission_nothing_is_marked(viewer: Client) -> None:
    device = make_device(MAC)
    assert "Mark as test device" not in viewer.get(f"{LIST}{device.pk}/change/").content.decode()
    assert viewer.post(f"{LIST}{device.pk}/test/").status_code == HTTPStatus.FORBIDDEN
    assert not TestDevice.objects.exists()


def test_looking_at_the_address_of_the_button_marks_nothing(client: Client) -> None:
    device = make_device(MAC)
    client.force_login(make_user(groups=("Operators",)))
    assert client.get(f"{LIST}{device.pk}/test/").status_code == HTTPStatus.METHOD_NOT_ALLOWED
    assert not TestDevice.objects.exists()


@pytest.mark.parametrize("path", ["add/", "{pk}/delete/"])
def test_not_even_a_superuser_adds_or_deletes_devices(client: Client, path: str) -> None:
    device = make_device(MAC)
    client.force_login(User.objects.create_superuser("root"))
    response = client.post(LIST + path.format(pk=device.pk), {"post": "yes"})
    assert response.status_code == HTTPStatus.FORBIDDEN
    assert Device.objects.get().mac == MAC


def test_nothing_is_saved_by_posting_to_its_page(client: Client) -> None:
    device = make_device(MAC, version="1.0")
    client.force_login(User.objects.create_superuser("root"))
    response = client.post(f"{LIST}{device.pk}/change/", {"version": "9"})
    assert response.status_code == HTTPStatus.METHOD_NOT_ALLOWED
    assert Device.objects.get().version == "1.0"


def test_without_the_permission_to_see_devices_there_is_nothing_to_see(client: Client) -> None:
    device = make_device(MAC)
    client.force_login(make_user("updates.view_update"))
    assert client.get(LIST).status_code == HTTPStatus.FORBIDDEN
    assert client.get(f"{LIST}{device.pk}/change/").status_code == HTTPStatus.FORBIDDEN


def test_a_device_that_is_gone_leads_to_the_list_and_says_so(viewer: Client) -> None:
    response = viewer.get(f"{LIST}4711/change/", follow=True)
    assert response.redirect_chain[-1][0] == LIST
    assert "There is no such device." in response.content.decode()
