"""Checks through the inside door."""

import io
import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client
from pytest_django import Settings
from pytest_django.fixtures import DjangoAssertNumQueries

from devices.models import Device, DeviceType
from tests.builders import CX700, make_update, make_user
from tests.updates.api.phone import INSIDE, Phone, a_check, error_of
from updates import catalogue, protocol
from updates.domain.lifecycle import State
from updates.models import Delivery
from updates.services import decisions
from updates.services.switch import switch_offers
from updates.services.test_devices import NewTestDevice, add

pytestmark = pytest.mark.django_db


def refuse_every_query(*_arguments: object) -> None:
    raise OperationalError("the database is down")


def approver() -> Callable[..., object]:
    user = make_user("updates.approve_update", "updates.reject_update", "updates.roll_back_update")
    return lambda action, update: action([update.pk], by=user, reason="")


def test_a_device_with_another_version_is_told_where_the_approved_one_is(settings: Settings) -> None:
    settings.DUS_INTERNAL_URL = "http://pool.example.org"
    settings.DUS_EXTERNAL_URL = "https://rp.example.org"
    make_update("1.0.522.101", State.APPROVED)
    (download,) = Phone().check().downloads
    assert download.version == "1.0.522.101"
    assert download.update_type == "CPE"
    folder = "UCPhone/Polycom/CX700/A/ENU/1.0.522.101/CPE"
    assert download.base_url == f"http://pool.example.org/DeviceUpdateFiles_Int/{folder}"
    assert download.external_base_url == f"https://rp.example.org/DeviceUpdateFiles_Ext/{folder}"
    assert [(module.file, module.signature) for module in download.modules] == [("CPE.nbt", "CPE.cat")]


def test_the_addresses_in_an_answer_never_come_from_the_host_header() -> None:
    make_update("1.0.522.101", State.APPROVED)
    response = Phone().post(INSIDE, protocol.render_check(a_check(), protocol.XML), Host="evil.example.org")
    assert response.status_code == 200
    assert b"evil" not in response.content


def test_a_device_that_runs_the_approved_version_is_answered_downloads_0() -> None:
    make_update("1.0.522.101", State.APPROVED)
    response = Phone().post(INSIDE, protocol.render_check(a_check(version="1.0.522.101"), protocol.XML))
    assert b"downloads=0" in response.content
    assert Device.objects.get().last_reason == "up_to_date"


def test_a_pending_update_is_offered_to_a_test_device_only() -> None:
    make_update("1.0.522.101", State.PENDING)
    add(
        NewTestDevice(identifier="00155D0A0B0C", name="Lab"),
        by=make_user("devices.add_testdevice"),
    )
    assert len(Phone().check().downloads) == 1
    other = Phone().check(a_check(mac="00-15-5D-FF-FF-FF"))
    assert other.downloads == ()
    assert other.reason == "nothing_approved"


def test_an_older_approved_version_is_offered_as_well() -> None:
    make_update("1.0.100.1", State.APPROVED)
    assert [download.version for download in Phone().check().downloads] == ["1.0.100.1"]


def test_decisions_reach_devices_at_their_next_check(settings: Settings) -> None:
    settings.DUS_CATALOGUE_SECONDS = 0
    decide = approver()
    first = make_update("1.0.522.101")
    assert Phone().check().downloads == ()
    decide(decisions.approve, first)
    assert [download.version for download in Phone().check().downloads] == ["1.0.522.101"]
    second = make_update("1.0.600.1")
    decide(decisions.approve, second)
    assert [download.version for download in Phone().check().downloads] == ["1.0.600.1"]
    decide(decisions.roll_back, second)
    assert [download.version for download in Phone().check().downloads] == ["1.0.522.101"]


def test_nothing_is_offered_while_offers_are_turned_off(settings: Settings) -> None:
    settings.DUS_CATALOGUE_SECONDS = 0
    make_update("1.0.522.101", State.APPROVED)
    switch_offers(enabled=False, by=make_user("updates.switch_offers"))
    answer = Phone().check()
    assert (answer.downloads, answer.reason) == ((), "offers_disabled")


def test_the_first_check_makes_the_device_known() -> None:
    update = make_update("1.0.522.101", State.APPROVED)
    Phone().check(a_check(user="CONTOSO\\amy"))
    device = Device.objects.get()
    assert (device.key, device.mac) == ("mac:00-15-5D-0A-0B-0C", "00-15-5D-0A-0B-0C")
    assert (device.version, device.versions) == ("1.0.199.123", {"CPE": "1.0.199.123"})
    assert (device.last_address, device.is_outside, device.last_account) == (
        "10.1.2.3",
        False,
        "CONTOSO\\amy",
    )
    assert device.last_reason == "approved_differs"
    delivery = Delivery.objects.get()
    assert (delivery.device, delivery.update, delivery.from_version) == (device, update, "1.0.199.123")


def test_a_device_of_an_unknown_type_is_recorded_with_its_type() -> None:
    answer = Phone().check(a_check(model="CX9000"))
    assert answer.reason == "unknown_type"
    assert Device.objects.get().device_type.model == "CX9000"


def test_json_is_answered_in_json() -> None:
    make_update("1.0.522.101", State.APPROVED)
    response = Phone().post(INSIDE, protocol.render_check(a_check(), protocol.JSON), protocol.JSON)
    assert response["Content-Type"] == "application/json"
    assert json.loads(response.content)["result"] == "downloads=1"
    assert b"downloads=1" in response.content


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("application/json", "application/json"),
        ("application/xml", "application/xml; charset=utf-8"),
        ("*/*", "text/xml; charset=utf-8"),
        ("image/png", "text/xml; charset=utf-8"),
    ],
)
def test_the_form_of_the_answer_is_the_one_that_is_asked_for(accept: str, expected: str) -> None:
    response = Phone().post(INSIDE, protocol.render_check(a_check(), protocol.XML), Accept=accept)
    assert response["Content-Type"] == expected
    assert response["Content-Length"] == str(len(response.content))
    assert response["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "no body"),
        (b"<DeviceUpdateRequest>", "XML"),
        (b"<r><DeviceType>UCPhone</DeviceType></r>", "MacAddress"),
        (b'<!DOCTYPE r [<!ENTITY a "b">]><r>&a;</r>', "DOCTYPE"),
        (b"\xff\xfe\x00", "XML"),
        (b"{", "JSON"),
    ],
)
def test_a_malformed_check_is_refused_and_costs_no_query(
    body: bytes, said: str, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(0):
        response = Phone().post(INSIDE, body, "application/octet-stream")
    error = error_of(response)
    assert (error.status, error.code) == (400, "malformed")
    assert said in error.message
    assert not Device.objects.exists()


def test_a_form_is_read_as_a_check_and_refused() -> None:
    assert error_of(Phone().post(INSIDE, b"a=b", "application/x-www-form-urlencoded")).status == 400


def test_a_body_that_is_too_large_is_refused_before_it_is_read(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    with django_assert_num_queries(0):
        response = Phone().post(INSIDE, b" " * (protocol.MAX_BODY + 1))
    assert error_of(response).code == "too_large"


def test_a_body_of_the_largest_size_is_read() -> None:
    check = protocol.render_check(a_check(), protocol.XML)
    response = Phone().post(INSIDE, check + b" " * (protocol.MAX_BODY - len(check)))
    assert response.status_code == 200


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_only_post_is_answered_with_offers(method: str) -> None:
    response = Phone().get(INSIDE, method)
    assert response.status_code == 405
    assert response["Allow"] == "POST"
    if method != "HEAD":
        assert error_of(response).code == "method_not_allowed"


@pytest.mark.parametrize(
    "url",
    [
        "/RequestHandler",
        "/RequestHandler/",
        "/RequestHandler/%3Cb%3E",
        "/DeviceUpdateFiles_Int",
        "/provisioning/x",
    ],
)
def test_elsewhere_below_the_device_addresses_is_nothing_and_nothing_is_echoed(
    url: str, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(0):
        response = Phone(address="198.51.100.7").get(url)
    error = error_of(response)
    assert error.status == 404
    assert "<b>" not in error.message


def test_a_caller_from_elsewhere_is_refused_inside_and_nothing_is_recorded(
    django_assert_num_queries: DjangoAssertNumQueries, caplog: pytest.LogCaptureFixture
) -> None:
    body = protocol.render_check(a_check(), protocol.XML)
    with caplog.at_level(logging.WARNING), django_assert_num_queries(0):
        response = Phone(address="198.51.100.7", https=True).post(INSIDE, body)
    assert error_of(response).code == "forbidden"
    assert not Device.objects.exists()
    assert not DeviceType.objects.exists()
    assert (
        "devices.refusals",
        logging.WARNING,
        "403 at the inside door from 198.51.100.7",
    ) in caplog.record_tuples


def test_a_forwarded_address_counts_only_from_a_trusted_proxy(settings: Settings) -> None:
    body = protocol.render_check(a_check(), protocol.XML)
    stranger = Phone(address="198.51.100.7")
    assert stranger.post(INSIDE, body, **{"X-Forwarded-For": "10.1.2.3"}).status_code == 403
    settings.DUS_TRUSTED_PROXIES = settings.DUS_INTERNAL_NETWORKS.parse(["198.51.100.7"])
    assert stranger.post(INSIDE, body, **{"X-Forwarded-For": "10.1.2.3"}).status_code == 200
    assert Device.objects.get().last_address == "10.1.2.3"


def test_a_warm_check_queries_only_what_the_record_needs(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    make_update("1.0.522.101", State.APPROVED)
    Phone().check()
    with django_assert_num_queries(2):
        # The device, and the offer, again.
        Phone().check()
    with django_assert_num_queries(6):
        # Not the device again; savepoint, types, devices, deliveries, release.
        Phone().check(a_check(version="1.0.522.101", mac="00-15-5D-00-00-01"))
    with django_assert_num_queries(1):
        Phone().check(a_check(version="1.0.522.101", mac="00-15-5D-00-00-01"))


def test_while_the_database_is_down_a_warm_process_goes_on_answering(
    caplog: pytest.LogCaptureFixture,
) -> None:
    make_update("1.0.522.101", State.APPROVED)
    catalogue.current()
    with connection.execute_wrapper(refuse_every_query):
        answer = Phone().check()
    assert len(answer.downloads) == 1
    assert "could not be recorded" in caplog.text
    assert not Device.objects.exists()


def test_while_the_database_is_down_a_cold_process_says_so() -> None:
    with connection.execute_wrapper(refuse_every_query):
        response = Phone().post(INSIDE, protocol.render_check(a_check(), protocol.XML))
    assert error_of(response).code == "unavailable"
    assert response["Retry-After"] == "60"


def test_without_its_own_address_nothing_is_offered_and_the_log_says_what_to_set(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.DUS_INTERNAL_URL = ""
    make_update("1.0.522.101", State.APPROVED)
    response = Phone().post(INSIDE, protocol.render_check(a_check(), protocol.XML))
    assert error_of(response).status == 503
    assert "DUS_INTERNAL_URL is empty" in caplog.text
    assert not Delivery.objects.exists()
    assert Phone().check(a_check(version="1.0.522.101")).downloads == ()


def test_what_nobody_expected_is_a_refusal_in_the_protocol_too(caplog: pytest.LogCaptureFixture) -> None:
    def break_down(*_arguments: object) -> None:
        raise ZeroDivisionError

    with connection.execute_wrapper(break_down):
        response = Phone().post(INSIDE, protocol.render_check(a_check(), protocol.XML))
    assert error_of(response).code == "unavailable"
    assert "ZeroDivisionError" in caplog.text


def test_a_failure_outside_of_the_views_is_a_refusal_in_the_protocol_too(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def break_down(*_arguments: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(protocol, "render_provisioning", break_down)
    response = Phone().get("/provisioning/")
    assert error_of(response).status == 503
    assert response["Retry-After"] == "60"
    assert "ZeroDivisionError" in caplog.text


class BrokenOff(io.BytesIO):
    """A body whose sender went away."""

    def read(self, size: int | None = -1) -> bytes:
        raise ConnectionResetError(size)


def test_a_body_that_breaks_off_is_no_failure_of_the_service(caplog: pytest.LogCaptureFixture) -> None:
    environ: dict[str, Any] = {"REMOTE_ADDR": "10.1.2.3", "wsgi.input": BrokenOff()}
    response = Client().generic("POST", INSIDE, b"<r>", **environ)
    assert "broke off" in error_of(response).message
    assert "Traceback" not in caplog.text


def test_types_are_one_whatever_their_case() -> None:
    make_update("1.0.522.101", State.APPROVED)
    assert len(Phone().check(a_check(model="cx700")).downloads) == 1
    assert DeviceType.objects.get().key == CX700


@pytest.mark.parametrize(
    "address",
    [
        "/requesthandler/UCDevice.upx",
        "/REQUESTHANDLER/UCDEVICE.UPX",
        "/RequestHandler/ucdevice.UPX",
    ],
)
def test_the_case_of_the_address_does_not_matter(address: str) -> None:
    assert Phone().check(url=address).downloads == ()


def test_the_case_of_the_other_addresses_does_not_matter_and_opens_no_door() -> None:
    stranger = Phone(address="198.51.100.7", https=True)
    assert Phone().get("/PROVISIONING").status_code == 200
    assert error_of(stranger.post("/requesthandler/UCDevice.upx", b"")).status == 403
    assert error_of(stranger.post("/requesthandlerext/UCDevice.upx", b"")).status == 401
    assert error_of(stranger.get("/deviceupdatefiles_INT/x")).status == 403
    assert error_of(stranger.get("/requesthandlerext/FILES/x")).status == 401
    assert error_of(stranger.get("/requesthandlerext/filesystem")).status == 404
