"""HTTP Basic against accounts."""

import base64

import pytest
from pytest_django.fixtures import DjangoAssertNumQueries

from devices.authentication import basic
from devices.authentication.basic import BusyError, CredentialsError, SignIns
from tests.builders import make_user

pytestmark = pytest.mark.django_db


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def header(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


def test_the_password_of_an_active_account_is_accepted() -> None:
    make_user(name="amy", password="correct: horse ü")
    assert SignIns().account(header("amy:correct: horse ü")) == "amy"


def test_the_scheme_is_read_without_regard_to_case() -> None:
    make_user(name="amy")
    assert SignIns().account(header("amy:correct horse").replace("Basic", "bASIC")) == "amy"


@pytest.mark.parametrize("text", ["amy:wrong", "amy:", "nobody:correct horse", "closed:correct horse"])
def test_other_credentials_are_refused_alike(text: str) -> None:
    make_user(name="amy")
    closed = make_user(name="closed")
    closed.is_active = False
    closed.save()
    with pytest.raises(CredentialsError, match="the account or its password is not valid"):
        SignIns().account(header(text))


@pytest.mark.parametrize(
    "value",
    [
        "",
        "Basic",
        "Basic !!!!",
        "Basic YW15",
        "Bearer YW15OmNvcnJlY3QgaG9yc2U=",
        "Basic " + base64.b64encode(b"amy:\xff\xfe").decode(),
        "Basic " + base64.b64encode(b"amy:a\x00b").decode(),
        "Basic " + base64.b64encode(b":password").decode(),
        "Basic " + base64.b64encode(b"a" * 151 + b":password").decode(),
        "Basic " + base64.b64encode(b"amy:" + b"p" * 1024).decode(),
    ],
)
def test_a_malformed_header_is_refused_without_asking_the_database(
    value: str, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(0), pytest.raises(CredentialsError):
        SignIns().account(value)


def test_the_second_request_of_a_device_costs_neither_a_query_nor_a_password_hash(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    make_user(name="amy")
    sign_ins = SignIns()
    sign_ins.account(header("amy:correct horse"))
    with django_assert_num_queries(0):
        assert sign_ins.account(header("amy:correct horse")) == "amy"


def test_a_changed_password_is_noticed_within_a_minute() -> None:
    user = make_user(name="amy")
    clock = Clock()
    sign_ins = SignIns(clock=clock)
    sign_ins.account(header("amy:correct horse"))
    user.set_password("another")
    user.save()
    clock.now += basic.REMEMBERED_SECONDS - 1
    # Being used does not make it last longer.
    assert sign_ins.account(header("amy:correct horse")) == "amy"
    clock.now += 1
    with pytest.raises(CredentialsError):
        sign_ins.account(header("amy:correct horse"))


def test_a_wrong_password_is_not_remembered() -> None:
    user = make_user(name="amy")
    sign_ins = SignIns()
    with pytest.raises(CredentialsError):
        sign_ins.account(header("amy:another"))
    user.set_password("another")
    user.save()
    assert sign_ins.account(header("amy:another")) == "amy"


def test_while_too_many_passwords_are_checked_only_remembered_callers_come_in(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    make_user(name="amy")
    make_user(name="bob")
    sign_ins = SignIns()
    sign_ins.account(header("amy:correct horse"))
    for _ in range(basic.HASHES_AT_ONCE):
        sign_ins._hashing.acquire()
    with django_assert_num_queries(0):
        assert sign_ins.account(header("amy:correct horse")) == "amy"
        with pytest.raises(BusyError):
            sign_ins.account(header("bob:correct horse"))
    sign_ins._hashing.release()
    assert sign_ins.account(header("bob:correct horse")) == "bob"


def test_a_refused_password_frees_its_place() -> None:
    sign_ins = SignIns()
    for _ in range(basic.HASHES_AT_ONCE + 1):
        with pytest.raises(CredentialsError):
            sign_ins.account(header("nobody:guess"))


def test_what_is_remembered_is_bounded_and_the_oldest_goes_first() -> None:
    clock = Clock()
    sign_ins = SignIns(clock=clock)
    for number in range(basic.REMEMBERED_AT_MOST + 1):
        sign_ins._remember(str(number).encode(), "amy")
    assert len(sign_ins._remembered) == basic.REMEMBERED_AT_MOST
    assert b"0" not in sign_ins._remembered
    clock.now += basic.REMEMBERED_SECONDS
    sign_ins._remember(b"new", "amy")
    assert list(sign_ins._remembered) == [b"new"]


def test_no_password_is_kept() -> None:
    make_user(name="amy")
    sign_ins = SignIns()
    sign_ins.account(header("amy:correct horse"))
    assert "horse" not in repr(sign_ins._remembered)
    sign_ins.forget()
    assert sign_ins._remembered == {}
