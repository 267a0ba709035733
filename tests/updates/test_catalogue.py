"""What is offered, held in the process: how fresh it is, and what is decided from it."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import OperationalError, connection
from pytest_django.fixtures import DjangoAssertNumQueries

from devices.identity import DeviceTypeKey, IdentifierKind
from tests.builders import CX700, UpdateShape, make_update, make_user
from updates import catalogue, ledger
from updates.catalogue import Catalogue, CatalogueUnavailableError, Line, Offerable, Snapshot, decide
from updates.domain.lifecycle import State
from updates.domain.offers import Candidate, Reason
from updates.models import ServiceState, Update, UpdateFile
from updates.protocol import CheckRequest, OfferedModule
from updates.services import decisions
from updates.services.test_devices import NewTestDevice, add

MAC = "00-15-5D-0A-0B-0C"


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def a_check(version: str | None = "1.0.0.1", *, mac: str = MAC, serial: str = "") -> CheckRequest:
    return CheckRequest(
        family=CX700.family,
        mac=mac,
        serial=serial,
        vendor=CX700.brand,
        model=CX700.model,
        revision=CX700.revision,
        locale=CX700.locale,
        version=version,
        modules=(),
        user="",
    )


def offerable(pk: int, version: str, update_type: str = "CPE") -> Offerable:
    module = OfferedModule("CPE.nbt", "", version, None, 5, "00")
    return Offerable(Candidate(pk, update_type, version), f"folder/{version}", (module,))


def snapshot(*lines: Line, test: str = "", offers_enabled: bool = True) -> Snapshot:
    return Snapshot(
        offers_enabled=offers_enabled,
        lines={CX700.folded: lines} if lines else {},
        test_identifiers=frozenset({(IdentifierKind.MAC, test)} if test else ()),
    )


def offered(held: Catalogue) -> list[str]:
    return [offer.candidate.version for offer in decide(held.current(), a_check()).offers]


def approve(update: Update) -> None:
    decisions.approve([update.pk], by=make_user("updates.approve_update"))


# What is decided


def test_a_type_that_nobody_knows_is_offered_nothing() -> None:
    decision = decide(snapshot(), a_check())
    assert (decision.offers, decision.reason) == ((), Reason.UNKNOWN_TYPE)


def test_each_update_type_is_decided_by_itself_and_the_most_telling_reason_is_given() -> None:
    decision = decide(
        snapshot(
            Line("BOOT"),
            Line("CPE", approved=offerable(1, "2.0", "CPE")),
            Line("UI", offerable(2, "1.0.0.1")),
        ),
        a_check(),
    )
    assert [verdict.reason for verdict in decision.verdicts] == [
        Reason.NOTHING_APPROVED,
        Reason.APPROVED_DIFFERS,
        Reason.UP_TO_DATE,
    ]
    assert decision.reason is Reason.APPROVED_DIFFERS
    assert [offer.candidate.update_id for offer in decision.offers] == [1]


def test_a_test_device_is_offered_what_is_pending_and_others_what_is_approved() -> None:
    line = Line("CPE", approved=offerable(1, "1.0"), pending=offerable(2, "2.0"))
    tested = decide(snapshot(line, test=MAC), a_check())
    assert (tested.offers, tested.is_test) == ((line.pending,), True)
    assert tested.reason is Reason.PENDING_FOR_TEST_DEVICE
    other = decide(snapshot(line, test="00-15-5D-FF-FF-FF"), a_check())
    assert (other.offers, other.is_test) == ((line.approved,), False)


def test_a_test_device_without_anything_pending_is_offered_what_is_approved() -> None:
    line = Line("CPE", approved=offerable(1, "1.0"))
    assert decide(snapshot(line, test=MAC), a_check()).offers == (line.approved,)


def test_a_test_device_may_be_named_by_its_serial_number() -> None:
    line = Line("CPE", pending=offerable(2, "2.0"))
    held = Snapshot(
        lines={CX700.folded: (line,)}, test_identifiers=frozenset({(IdentifierKind.SERIAL, "ABC1")})
    )
    assert decide(held, a_check(serial="ABC1")).offers == (line.pending,)
    assert decide(held, a_check(mac="AB-C1", serial="OTHER")).offers == ()


@pytest.mark.parametrize("lines", [(), (Line("CPE", approved=offerable(1, "1.0")),)])
def test_nothing_is_offered_while_offers_are_off(lines: tuple[Line, ...]) -> None:
    decision = decide(snapshot(*lines, offers_enabled=False), a_check())
    assert (decision.offers, decision.reason) == ((), Reason.OFFERS_DISABLED)


def test_an_answer_leaves_blank_what_is_not_set() -> None:
    decision = decide(snapshot(Line("CPE", approved=offerable(1, "1.0"))), a_check())
    (download,) = catalogue.answer(decision, internal_url="http://in.example.org", external_url="").downloads
    assert download.base_url == "http://in.example.org/DeviceUpdateFiles_Int/folder/1.0"
    assert download.external_base_url == ""


# What is read


@pytest.mark.django_db
def test_what_is_pending_and_approved_is_read_with_its_files() -> None:
    key = DeviceTypeKey("RoundTable", "Contoso Ltd", "R#1", "A", "JPN")
    shape = UpdateShape(version="1.0", state=State.APPROVED, key=key)
    update = make_update(shape=shape)
    modified = datetime(2009, 5, 14, 12, 0, tzinfo=UTC)
    UpdateFile.objects.filter(name="CPE.nbt").update(modified=modified)
    (line,) = Catalogue().current().lines[key.folded]
    assert line.pending is None
    assert line.approved is not None
    assert line.approved.candidate == Candidate(update.pk, "CPE", "1.0")
    assert line.approved.folder == "RoundTable/Contoso%20Ltd/R%231/A/JPN/1.0/CPE"
    (module,) = line.approved.modules
    stored = UpdateFile.objects.get(name="CPE.nbt")
    assert module == OfferedModule("CPE.nbt", "CPE.cat", "1.0", modified, stored.size, stored.sha256)


@pytest.mark.django_db
def test_a_catalogue_file_signs_the_files_of_its_name_and_else_is_a_file_like_others() -> None:
    names = ["CPE.nbt", "cpe.CAT", "boot.bin", "extra.cat"]
    make_update(shape=UpdateShape(state=State.APPROVED, files=dict.fromkeys(names, b"x")))
    (line,) = Catalogue().current().lines[CX700.folded]
    assert line.approved is not None
    assert {module.file: module.signature for module in line.approved.modules} == {
        "CPE.nbt": "cpe.CAT",
        "boot.bin": "",
        "extra.cat": "",
    }


@pytest.mark.django_db
def test_of_a_type_whose_updates_were_withdrawn_nothing_is_approved() -> None:
    make_update("1.0", State.REJECTED)
    assert decide(Catalogue().current(), a_check()).reason is Reason.NOTHING_APPROVED


@pytest.mark.django_db
def test_an_update_that_is_being_imported_is_not_known_yet() -> None:
    make_update("1.0", State.IMPORTING)
    assert decide(Catalogue().current(), a_check()).reason is Reason.UNKNOWN_TYPE


# How fresh it is


@pytest.mark.django_db
def test_an_approval_reaches_every_process_within_a_second(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    clock = Clock()
    processes = Catalogue(clock=clock), Catalogue(clock=clock)
    update = make_update("2.0")
    assert [offered(process) for process in processes] == [[], []]
    approve(update)
    clock.now += 0.999
    with django_assert_num_queries(0):
        assert [offered(process) for process in processes] == [[], []]
    clock.now += 0.001
    assert [offered(process) for process in processes] == [["2.0"], ["2.0"]]


@pytest.mark.django_db
def test_a_look_costs_one_query_and_a_change_three_more(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    clock = Clock()
    held = Catalogue(clock=clock)
    for number in range(5):
        make_update(
            shape=UpdateShape(
                state=State.APPROVED, key=DeviceTypeKey("UCPhone", f"B{number}", "M", "A", "ENU")
            )
        )
    with django_assert_num_queries(4):
        held.current()
    clock.now += 1
    with django_assert_num_queries(1):
        held.current()
    add(NewTestDevice(identifier=MAC, name="Lab"), by=make_user("devices.add_testdevice"))
    clock.now += 1
    with django_assert_num_queries(4):
        assert held.current().is_test(mac=MAC, serial="")


@pytest.mark.django_db
def test_a_change_while_the_tables_are_read_is_seen_at_the_next_look() -> None:
    clock = Clock()
    held = Catalogue(clock=clock)
    update = make_update("2.0")

    def approve_after_the_read(execute: Callable[..., Any], sql: str, *more: Any) -> Any:
        result = execute(sql, *more)
        if "updates_updatefile" in sql and Update.objects.filter(state=State.PENDING).exists():
            Update.objects.update(state=State.APPROVED)
            ledger.offers_changed()
        return result

    with connection.execute_wrapper(approve_after_the_read):
        held.current()
    clock.now += 1
    assert offered(held) == [update.version]


def refuse_every_query(*_arguments: object) -> None:
    raise OperationalError("the database is down")


@pytest.mark.django_db
def test_while_the_database_is_down_what_was_known_goes_on_and_the_log_says_so_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = Clock()
    held = Catalogue(clock=clock)
    make_update("2.0", State.APPROVED)
    held.current()
    with connection.execute_wrapper(refuse_every_query):
        for _ in range(3):
            clock.now += 1
            assert offered(held) == ["2.0"]
    assert caplog.text.count("cannot be read") == 1
    clock.now += 1
    assert offered(held) == ["2.0"]
    assert "can be read again" in caplog.text


@pytest.mark.django_db
def test_a_process_that_never_read_the_database_says_so_and_tries_again() -> None:
    held = Catalogue()
    make_update("2.0", State.APPROVED)
    with connection.execute_wrapper(refuse_every_query), pytest.raises(CatalogueUnavailableError):
        held.current()
    assert offered(held) == ["2.0"]


@pytest.mark.django_db
def test_while_one_thread_reads_the_others_wait_for_what_it_reads() -> None:
    clock = Clock()
    held = Catalogue(clock=clock)
    assert offered(held) == []
    approve(make_update("2.0"))
    # A quiet minute: what is held is far older than a second.
    clock.now += 60
    seen: list[list[str]] = []
    other = threading.Thread(target=lambda: seen.append(offered(held)))

    def look_from_another_thread(execute: Callable[..., Any], sql: str, *more: Any) -> Any:
        if other.ident is None:
            other.start()
            other.join(timeout=0.2)
            assert seen == []
        return execute(sql, *more)

    with connection.execute_wrapper(look_from_another_thread):
        assert offered(held) == ["2.0"]
    other.join(timeout=5)
    assert seen == [["2.0"]]


@pytest.mark.django_db
def test_nobody_waits_for_a_thread_that_tries_a_dead_database_again() -> None:
    clock = Clock()
    held = Catalogue(clock=clock)
    make_update("2.0", State.APPROVED)
    held.current()
    seen: list[list[str]] = []

    def look_from_another_thread(*_arguments: object) -> None:
        other = threading.Thread(target=lambda: seen.append(offered(held)))
        other.start()
        other.join(timeout=0.5)
        raise OperationalError("the database is down")

    with connection.execute_wrapper(refuse_every_query):
        clock.now += 1
        held.current()
    with connection.execute_wrapper(look_from_another_thread):
        clock.now += 1
        held.current()
    assert seen == [["2.0"]]


@pytest.mark.django_db
def test_the_switch_is_seen_even_without_a_new_generation() -> None:
    clock = Clock()
    held = Catalogue(clock=clock)
    assert held.current().offers_enabled
    ServiceState.objects.update(offers_enabled=False)
    clock.now += 1
    assert not held.current().offers_enabled


@pytest.mark.django_db
def test_a_service_without_its_row_offers() -> None:
    ServiceState.objects.all().delete()
    assert Catalogue().current().offers_enabled


@pytest.mark.django_db
def test_after_a_reset_everything_is_read_again() -> None:
    held = Catalogue(clock=Clock())
    held.current()
    make_update("2.0", State.APPROVED)
    assert offered(held) == []
    held.reset()
    assert offered(held) == ["2.0"]
