"""Checks and downloads through the outside door: TLS and an account, or nothing."""

import logging
from dataclasses import replace

import pytest
from django.contrib.auth.hashers import BasePasswordHasher, get_hasher
from pytest_django import Settings
from pytest_django.fixtures import DjangoAssertNumQueries

from devices.authentication import basic, failures
from devices.models import Device, DeviceType
from tests.builders import make_update, make_user
from tests.updates.api.phone import OUTSIDE, OUTSIDER, Phone, a_check, body_of, error_of, put_in_store
from updates import catalogue, protocol
from updates.domain.lifecycle import State
from updates.models import Delivery

pytestmark = pytest.mark.django_db

BODY = protocol.render_check(a_check(), protocol.XML)
FILE = "/DeviceUpdateFiles_Ext/UCPhone/Polycom/CX700/A/ENU/1.0.522.101/CPE/CPE.nbt"


def nothing_was_recorded() -> bool:
    return not (Device.objects.exists() or DeviceType.objects.exists() or Delivery.objects.exists())


def test_an_anonymous_caller_is_told_to_sign_in_and_only_the_attempt_is_noted(
    django_assert_num_queries: DjangoAssertNumQueries, caplog: pytest.LogCaptureFixture
) -> None:
    with django_assert_num_queries(0), caplog.at_level(logging.WARNING):
        response = OUTSIDER.post(OUTSIDE, BODY)
    assert response["WWW-Authenticate"] == 'Basic realm="Device updates", charset="UTF-8"'
    error = error_of(response)
    assert error.status == 401
    assert "Anonymous access is not supported" in error.message
    assert "valid account" in error.message
    assert nothing_was_recorded()
    assert (
        "devices.refusals",
        logging.WARNING,
        "401 at the outside door from 198.51.100.7",
    ) in caplog.record_tuples


def test_a_device_with_an_account_is_offered_the_update_and_known_as_outside() -> None:
    make_user(name="amy")
    update = make_update("1.0.522.101", State.APPROVED)
    phone = replace(OUTSIDER, account="amy")
    (download,) = phone.check(a_check(user="somebody else"), url=OUTSIDE).downloads
    assert download.external_base_url.endswith("/DeviceUpdateFiles_Ext/" + update.folder)
    device = Device.objects.get()
    assert (device.is_outside, device.last_account, device.last_address) == (True, "amy", "198.51.100.7")


def test_a_wrong_password_is_refused_and_nothing_is_recorded_nor_logged_of_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    make_user(name="amy")
    response = replace(OUTSIDER, account="amy", password="battery staple").post(OUTSIDE, BODY)
    assert error_of(response).status == 401
    assert nothing_was_recorded()
    assert "battery" not in caplog.text
    assert "amy" not in caplog.text


@pytest.mark.parametrize("header", ["Basic", "Basic \u00ff", "NTLM TlRMTVNTUAAB", "Bearer x", "Basic Og=="])
def test_a_header_that_is_not_understood_is_refused(
    header: str, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(0):
        response = OUTSIDER.post(OUTSIDE, BODY, Authorization=header)
    assert error_of(response).status == 401


@pytest.mark.parametrize("address", ["198.51.100.7", "10.1.2.3"])
def test_over_plain_http_even_the_right_password_is_refused_and_not_looked_at(
    address: str, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    make_user(name="amy")
    with django_assert_num_queries(0):
        response = Phone(address=address, account="amy").post(OUTSIDE, BODY)
    error = error_of(response)
    assert error.status == 403
    assert "https" in error.message
    assert "WWW-Authenticate" not in response
    assert nothing_was_recorded()


def test_an_address_inside_does_not_spare_the_account_at_the_outside_door() -> None:
    assert error_of(Phone(https=True).post(OUTSIDE, BODY)).status == 401


def test_a_trusted_proxy_may_say_that_the_caller_came_over_https(settings: Settings) -> None:
    make_user(name="amy")
    phone = Phone(address="10.0.0.1", account="amy")
    forwarded = {"X-Forwarded-For": "198.51.100.7", "X-Forwarded-Proto": "https"}
    assert phone.post(OUTSIDE, BODY, **forwarded).status_code == 403
    settings.DUS_TRUSTED_PROXIES = settings.DUS_INTERNAL_NETWORKS.parse(["10.0.0.1"])
    assert phone.post(OUTSIDE, BODY, **forwarded).status_code == 200
    assert Device.objects.get().last_address == "198.51.100.7"


def test_an_account_that_was_closed_is_refused() -> None:
    user = make_user(name="amy")
    user.is_active = False
    user.save()
    assert error_of(replace(OUTSIDER, account="amy").post(OUTSIDE, BODY)).status == 401


def test_an_unknown_name_costs_a_password_hash_too(monkeypatch: pytest.MonkeyPatch) -> None:
    hasher = get_hasher()
    encode = hasher.encode
    hashed: list[str] = []

    def noted(_hasher: BasePasswordHasher, password: str, salt: str) -> str:
        hashed.append(password)
        return encode(password, salt)

    make_user(name="amy")
    monkeypatch.setattr(type(hasher), "encode", noted)
    replace(OUTSIDER, account="amy", password="wrong").post(OUTSIDE, BODY)
    replace(OUTSIDER, account="nobody", password="wrong").post(OUTSIDE, BODY)
    assert hashed == ["wrong", "wrong"]


def test_when_too_many_sign_in_at_once_a_caller_is_asked_to_come_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(basic, "PATIENCE", 0.01)
    make_user(name="amy")
    for _ in range(basic.HASHES_AT_ONCE):
        basic.sign_ins._hashing.acquire()
    try:
        response = replace(OUTSIDER, account="amy").post(OUTSIDE, BODY)
    finally:
        for _ in range(basic.HASHES_AT_ONCE):
            basic.sign_ins._hashing.release()
    assert error_of(response).status == 503
    assert response["Retry-After"] == "2"
    assert nothing_was_recorded()


def test_whoever_guesses_passwords_is_told_to_wait_and_nothing_is_looked_at(
    django_assert_num_queries: DjangoAssertNumQueries, caplog: pytest.LogCaptureFixture
) -> None:
    make_user(name="amy")
    for number in range(failures.PER_ADDRESS):
        guess = replace(OUTSIDER, account="amy", password=str(number)).post(OUTSIDE, BODY)
        assert guess.status_code == 401
    with django_assert_num_queries(0):
        response = replace(OUTSIDER, account="amy").post(OUTSIDE, BODY)
    error = error_of(response)
    assert (error.status, error.code) == (429, "too_many_requests")
    assert "sign-ins failed" in error.message
    assert 1 <= int(response["Retry-After"]) <= failures.WINDOW_SECONDS
    assert nothing_was_recorded()
    assert "429 at the outside door from 198.51.100.7" in caplog.text
    elsewhere = replace(OUTSIDER, account="amy", address="203.0.113.9")
    assert elsewhere.post(OUTSIDE, BODY).status_code == 200


def test_a_malformed_check_of_a_remembered_caller_costs_no_query(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    make_user(name="amy")
    phone = replace(OUTSIDER, account="amy")
    phone.check(url=OUTSIDE)
    with django_assert_num_queries(0):
        assert error_of(phone.post(OUTSIDE, b"<a/>")).status == 400


def test_a_file_is_sent_to_an_account_and_to_nobody_else(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    make_user(name="amy")
    put_in_store(make_update("1.0.522.101", State.APPROVED), {"CPE.nbt": b"image"})
    with django_assert_num_queries(0):
        assert error_of(OUTSIDER.get(FILE)).status == 401
        assert error_of(Phone().get(FILE)).status == 403
    response = replace(OUTSIDER, account="amy").get(FILE)
    assert body_of(response) == b"image"
    assert response["Cache-Control"] == "private, max-age=31536000, immutable"


def test_the_alias_of_the_files_outside_asks_for_the_account_as_well() -> None:
    make_user(name="amy")
    put_in_store(make_update("1.0.522.101", State.APPROVED), {"CPE.nbt": b"image"})
    alias = FILE.replace("/DeviceUpdateFiles_Ext/", "/RequestHandlerExt/Files/")
    assert error_of(OUTSIDER.get(alias)).status == 401
    assert body_of(replace(OUTSIDER, account="amy").get(alias)) == b"image"


def test_provisioning_is_open_inside_and_takes_an_account_outside(
    settings: Settings, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    settings.DUS_INTERNAL_URL = "http://pool.example.org"
    settings.DUS_EXTERNAL_URL = "https://rp.example.org"
    make_user(name="amy")
    catalogue.current()
    with django_assert_num_queries(0):
        inside = Phone().get("/provisioning/")
        assert error_of(OUTSIDER.get("/provisioning/")).status == 401
        assert error_of(replace(OUTSIDER, https=False).get("/provisioning")).status == 403
    outside = replace(OUTSIDER, account="amy").get("/provisioning", Accept="application/json")
    expected = protocol.Provisioning(
        "http://pool.example.org/RequestHandler/ucdevice.upx",
        "https://rp.example.org/RequestHandlerExt/ucdevice.upx",
        enabled=True,
    )
    assert protocol.parse_provisioning(body_of(inside), protocol.XML) == expected
    assert protocol.parse_provisioning(body_of(outside), protocol.JSON) == expected
    assert Phone().get("/provisioning", "HEAD").status_code == 200
    assert error_of(Phone().get("/provisioning/", "POST")).status == 405


def test_provisioning_leaves_out_an_address_that_is_not_set(settings: Settings) -> None:
    settings.DUS_INTERNAL_URL = settings.DUS_EXTERNAL_URL = ""
    values = protocol.parse_provisioning(body_of(Phone().get("/provisioning/")), protocol.XML)
    assert values == protocol.Provisioning("", "", enabled=True)


def test_without_an_outside_address_outside_callers_are_offered_nothing(settings: Settings) -> None:
    settings.DUS_EXTERNAL_URL = ""
    make_user(name="amy")
    make_update("1.0.522.101", State.APPROVED)
    assert error_of(replace(OUTSIDER, account="amy").post(OUTSIDE, BODY)).status == 503
    (download,) = Phone().check().downloads
    assert download.external_base_url == ""
