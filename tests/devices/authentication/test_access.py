"""Who is admitted by which door."""

import pytest
from pytest_django import Settings

from devices.authentication.access import Caller, Door, RefusedError, admit
from devices.authentication.networks import Networks


@pytest.fixture(autouse=True)
def inside_is_ten(settings: Settings) -> None:
    settings.DUS_INTERNAL_NETWORKS = Networks.parse(["10.0.0.0/8"])
    settings.DUS_TRUSTED_PROXIES = Networks.parse(["10.0.0.1"])


def refused(door: Door, **meta: str) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        admit(meta, door)
    return caught.value


@pytest.mark.parametrize("door", [Door.INSIDE, Door.EITHER])
def test_an_address_inside_is_admitted_without_an_account(door: Door) -> None:
    assert admit({"REMOTE_ADDR": "10.1.2.3"}, door) == Caller("10.1.2.3", is_outside=False)


@pytest.mark.parametrize("address", ["198.51.100.7", "2001:db8::1", "", "unknown"])
def test_any_other_address_is_refused_inside(address: str) -> None:
    assert refused(Door.INSIDE, REMOTE_ADDR=address).status == 403


def test_what_a_caller_says_of_its_address_is_not_believed() -> None:
    assert refused(Door.INSIDE, REMOTE_ADDR="198.51.100.7", HTTP_X_FORWARDED_FOR="10.1.2.3").status == 403
    behind_proxy = {"REMOTE_ADDR": "10.0.0.1", "HTTP_X_FORWARDED_FOR": "10.1.2.3, 198.51.100.7"}
    assert refused(Door.INSIDE, **behind_proxy).status == 403


def test_what_a_caller_says_of_its_scheme_is_not_believed() -> None:
    meta = {"REMOTE_ADDR": "198.51.100.7", "wsgi.url_scheme": "http", "HTTP_X_FORWARDED_PROTO": "https"}
    assert refused(Door.OUTSIDE, **meta).status == 403


@pytest.mark.parametrize("door", [Door.OUTSIDE, Door.EITHER])
def test_outside_tls_comes_first_and_then_the_account(door: Door) -> None:
    assert refused(door, REMOTE_ADDR="198.51.100.7").status == 403
    anonymous = refused(door, REMOTE_ADDR="198.51.100.7", **{"wsgi.url_scheme": "https"})
    assert anonymous.status == 401
    assert anonymous.headers["WWW-Authenticate"].startswith("Basic ")
