"""HTTP Basic against accounts."""

import base64
import threading
from ipaddress import ip_address

import pytest
from pytest_django.fixtures import DjangoAssertNumQueries

from devices.authentication import basic, failures
from devices.authentication.basic import BusyError, CredentialsError, SignIns, TooManyFailuresError
from devices.authentication.networks import Address
from tests.builders import make_user

pytestmark = pytest.mark.django_db

HERE = ip_address("198.51.100.7")
ELSEWHERE = ip_address("203.0.113.9")


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
    assert SignIns().account(header("amy:correct: horse ü"), HERE) == "amy"


def test_the_scheme_is_read_without_regard_to_case() -> None:
    make_user(name="amy")
    assert SignIns().account(header("amy:correct horse").replace("Basic", "bASIC"), HERE) == "amy"


@pytest.mark.parametrize("text", ["amy:wrong", "amy:", "nobody:correct horse", "closed:correct horse"])
def test_other_credentials_are_refused_alike(text: str) -> None:
    make_user(name="amy")
    closed = make_user(name="closed")
    closed.is_active = False
    closed.save()
    with pytest.raises(CredentialsError, match="the account or its password is not valid"):
        SignIns().account(header(text), HERE)


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
        SignIns().account(value, HERE)


def test_the_second_request_of_a_device_costs_neither_a_query_nor_a_password_hash(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    make_user(name="amy")
    sign_ins = SignIns()
    sign_ins.account(header("amy:correct horse"), HERE)
    with django_assert_num_queries(0):
        assert sign_ins.account(header("amy:correct horse"), HERE) == "amy"


def test_a_changed_password_is_noticed_within_a_minute() -> None:
    user = make_user(name="amy")
    clock = Clock()
    sign_ins = SignIns(clock=clock)
    sign_ins.account(header("amy:correct horse"), HERE)
    user.set_password("another")
    user.save()
    clock.now += basic.REMEMBERED_SECONDS - 1
    # Being used does not make it last longer.
    assert sign_ins.account(header("amy:correct horse"), HERE) == "amy"
    clock.now += 1
    with pytest.raises(CredentialsError):
        sign_ins.account(header("amy:correct horse"), HERE)


def test_a_wrong_password_is_not_remembered() -> None:
    user = make_user(name="amy")
    sign_ins = SignIns()
    with pytest.raises(CredentialsError):
        sign_ins.account(header("amy:another"), HERE)
    user.set_password("another")
    user.save()
    assert sign_ins.account(header("amy:another"), HERE) == "amy"


def test_while_too_many_passwords_are_checked_only_remembered_callers_come_in(
    django_assert_num_queries: DjangoAssertNumQueries, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(basic, "PATIENCE", 0.01)
    make_user(name="amy")
    make_user(name="bob")
    sign_ins = SignIns()
    sign_ins.account(header("amy:correct horse"), HERE)
    for _ in range(basic.HASHES_AT_ONCE):
        sign_ins._hashing.acquire()
    with django_assert_num_queries(0):
        assert sign_ins.account(header("amy:correct horse"), HERE) == "amy"
        with pytest.raises(BusyError):
            sign_ins.account(header("bob:correct horse"), HERE)
    sign_ins._hashing.release()
    assert sign_ins.account(header("bob:correct horse"), HERE) == "bob"


def test_a_refused_password_frees_its_place() -> None:
    sign_ins = SignIns()
    for _ in range(basic.HASHES_AT_ONCE + 1):
        with pytest.raises(CredentialsError):
            sign_ins.account(header("nobody:guess"), HERE)


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
    sign_ins.account(header("amy:correct horse"), HERE)
    assert "horse" not in repr(sign_ins._remembered)
    sign_ins.forget()
    assert sign_ins._remembered == {}


def test_a_caller_waits_for_its_turn_instead_of_being_sent_away() -> None:
    make_user(name="amy")
    sign_ins = SignIns()
    for _ in range(basic.HASHES_AT_ONCE):
        sign_ins._hashing.acquire()
    threading.Timer(0.1, sign_ins._hashing.release).start()
    assert sign_ins.account(header("amy:correct horse"), HERE) == "amy"


def fail(sign_ins: SignIns, times: int, *, name: str = "nobody", where: Address = HERE) -> None:
    for _ in range(times):
        with pytest.raises(CredentialsError):
            sign_ins.account(header(f"{name}:guess"), where)


def test_after_ten_failures_an_address_is_sent_away_unasked_and_others_are_not(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    make_user(name="amy")
    make_user(name="bob")
    clock = Clock()
    sign_ins = SignIns(clock=clock)
    sign_ins.account(header("amy:correct horse"), HERE)
    fail(sign_ins, failures.PER_ADDRESS)
    with django_assert_num_queries(0):
        with pytest.raises(TooManyFailuresError) as refused:
            sign_ins.account(header("bob:correct horse"), HERE)
        # Whoever is known to be right comes in, from wherever.
        assert sign_ins.account(header("amy:correct horse"), HERE) == "amy"
    assert refused.value.seconds == failures.WINDOW_SECONDS
    assert sign_ins.account(header("bob:correct horse"), ELSEWHERE) == "bob"
    clock.now += failures.WINDOW_SECONDS
    assert sign_ins.account(header("bob:correct horse"), HERE) == "bob"
    fail(sign_ins, 1)


def test_an_account_that_many_addresses_guess_at_is_left_alone_for_a_while() -> None:
    make_user(name="amy")
    clock = Clock()
    sign_ins = SignIns(clock=clock)
    for number in range(failures.PER_ACCOUNT // failures.PER_ADDRESS):
        fail(sign_ins, failures.PER_ADDRESS, name="Amy", where=ip_address(f"192.0.2.{number}"))
    with pytest.raises(TooManyFailuresError):
        sign_ins.account(header("amy:correct horse"), HERE)
    clock.now += failures.WINDOW_SECONDS
    assert sign_ins.account(header("amy:correct horse"), HERE) == "amy"


def test_whoever_waited_while_its_address_used_up_its_failures_is_not_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sign_ins = SignIns()
    asked = iter([0.0, 30.2])
    monkeypatch.setattr(sign_ins._addresses, "wait", lambda _key: next(asked))
    with pytest.raises(TooManyFailuresError) as refused:
        sign_ins.account(header("amy:guess"), HERE)
    assert refused.value.seconds == 31
    fail(SignIns(), basic.HASHES_AT_ONCE + 1)


def test_neighbours_in_one_network_of_ipv6_are_one_caller() -> None:
    assert failures.key_of(ip_address("2001:db8::1")) == failures.key_of(ip_address("2001:db8::2:1"))
    assert failures.key_of(ip_address("2001:db8::1")) != failures.key_of(ip_address("2001:db8:0:1::1"))
    assert failures.key_of(HERE) != failures.key_of(ip_address("198.51.100.8"))


def test_the_failures_that_are_remembered_are_bounded_and_slide() -> None:
    clock = Clock()
    counted = failures.Failures(2, clock=clock)
    for number in range(failures.REMEMBERED_AT_MOST + 1):
        counted.note(str(number))
    assert len(counted._times) == failures.REMEMBERED_AT_MOST
    for _ in range(3):
        clock.now += 20
        counted.note("last")
    assert len(counted._times["last"]) == 2
    assert counted.wait("last") == 40
