"""A package belongs to one worker at a time, and a worker that lost it touches nothing."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import IO, Any, ClassVar

import pytest
from django.core.files.storage import FileSystemStorage
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from devices.wording import Wording
from tests.builders import CX700, make_uploaded_package, member_path
from tests.cabs import cab
from tests.updates.extraction.helpers import actions, findings, scratch, states, stored
from updates import extraction, publishing
from updates.domain.findings import Finding, Level
from updates.domain.lifecycle import State
from updates.extraction import claims, verdicts
from updates.extraction.claims import Claim, ClaimLostError, Heartbeat
from updates.models import Package, Update

PACKAGE = cab([(member_path("CPE.nbt"), b"image"), (member_path("CPE.cat"), b"signature")])


def taken(package: Package) -> Claim:
    claim = claims.take(package.pk)
    assert claim is not None
    return claim


def let_the_lease_run_out(package: Package) -> None:
    Package.objects.filter(pk=package.pk).update(lease_until=timezone.now() - timedelta(seconds=1))


class OvertakenStorage(FileSystemStorage):
    """An update store in which, during the first write, another worker takes the package over and finishes it."""

    overtaken = False

    def save(self, name: str | None, content: IO[Any], max_length: int | None = None) -> str:
        if not OvertakenStorage.overtaken:
            OvertakenStorage.overtaken = True
            package = Package.objects.get()
            let_the_lease_run_out(package)
            extraction.extract(package.pk)
        return super().save(name, content, max_length)


class TakenAwayStorage(FileSystemStorage):
    """An update store in which, during the first write, another worker takes the package and holds on to it."""

    successors: ClassVar[list[Claim]] = []

    def save(self, name: str | None, content: IO[Any], max_length: int | None = None) -> str:
        if not TakenAwayStorage.successors:
            package = Package.objects.get()
            let_the_lease_run_out(package)
            TakenAwayStorage.successors.append(taken(package))
        return super().save(name, content, max_length)


def store_in(settings: Settings, storage: type[FileSystemStorage]) -> None:
    backend = f"{storage.__module__}.{storage.__qualname__}"
    settings.STORAGES = settings.STORAGES | {"updates": settings.STORAGES["updates"] | {"BACKEND": backend}}


def at_once(*calls: Callable[[], None]) -> None:
    barrier = threading.Barrier(len(calls))

    def run(call: Callable[[], None]) -> None:
        try:
            barrier.wait(timeout=10)
            call()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(calls)) as pool:
        list(pool.map(run, calls))


@pytest.mark.django_db
def test_only_one_worker_gets_a_package() -> None:
    package = make_uploaded_package(PACKAGE)

    assert taken(package).attempt == 1
    assert claims.take(package.pk) is None


@pytest.mark.django_db
def test_a_package_whose_lease_ran_out_goes_to_the_next_worker_under_another_receipt() -> None:
    package = make_uploaded_package(PACKAGE)
    first = taken(package)
    let_the_lease_run_out(package)

    second = taken(package)

    assert second.attempt == 2
    assert second.receipt != first.receipt
    with pytest.raises(ClaimLostError):
        first.renew()
    second.renew()


@pytest.mark.django_db
def test_a_worker_that_lost_its_claim_neither_fails_nor_withdraws_the_work_of_its_successor() -> None:
    package = make_uploaded_package(PACKAGE)
    first = taken(package)
    let_the_lease_run_out(package)
    second = taken(package)
    new = publishing.NewUpdate(device_type=CX700, update_type="CPE", version="1.0.522.101", files=())
    publishing.reserve(package, [new], now=timezone.now(), receipt=second.receipt)

    with pytest.raises(ClaimLostError):
        verdicts.fail(first, package, [Finding(Level.FAILURE, "cabinet", "", Wording("bad"))])
    verdicts.give_back(first, OSError("disk"))

    package.refresh_from_db()
    assert (package.state, package.claimed_at) == (Package.State.EXTRACTING, second.receipt)
    assert Update.objects.get().state == State.IMPORTING
    assert findings(package) == []
    assert "package_failed" not in actions()


@pytest.mark.django_db
def test_a_worker_that_was_overtaken_stops_without_a_word(settings: Settings) -> None:
    TakenAwayStorage.successors.clear()
    store_in(settings, TakenAwayStorage)
    package = make_uploaded_package(PACKAGE)

    extraction.extract(package.pk)

    package.refresh_from_db()
    (successor,) = TakenAwayStorage.successors
    assert (package.state, package.claimed_at) == (Package.State.EXTRACTING, successor.receipt)
    assert set(states().values()) == {"importing"}
    assert len(stored()) == 1
    assert scratch() == []


@pytest.mark.django_db
def test_a_package_that_two_workers_finish_is_published_once(settings: Settings) -> None:
    OvertakenStorage.overtaken = False
    store_in(settings, OvertakenStorage)
    package = make_uploaded_package(PACKAGE)

    # Its successor has cleared away its scratch files.
    with pytest.raises(FileNotFoundError):
        extraction.extract(package.pk)

    package.refresh_from_db()
    assert package.state == Package.State.READY
    assert set(states().values()) == {"pending"}
    assert actions() == ["package_uploaded", "imported"]
    assert len(stored()) == 2
    assert ("attempts", "") not in findings(package)


@pytest.mark.django_db(transaction=True)
def test_of_many_workers_at_once_one_extracts() -> None:
    package = make_uploaded_package(PACKAGE)

    at_once(*[lambda: extraction.extract(package.pk)] * 4)

    package.refresh_from_db()
    assert (package.state, package.attempts) == (Package.State.READY, 1)
    assert actions() == ["package_uploaded", "imported"]


@pytest.mark.django_db(transaction=True)
def test_of_two_packages_with_one_version_at_once_one_imports_it_and_the_other_says_so() -> None:
    first = make_uploaded_package(PACKAGE)
    second = make_uploaded_package(
        cab([(member_path("CPE.nbt"), b"image"), (member_path("CPE.cat"), b"other")])
    )

    def patiently(package: Package) -> None:
        for _ in range(20):
            try:
                extraction.extract(package.pk)
            except publishing.Busy:
                Package.objects.filter(pk=package.pk).update(retry_at=timezone.now())
            else:
                return

    at_once(lambda: patiently(first), lambda: patiently(second))

    assert sorted(Package.objects.values_list("state", flat=True)) == ["failed", "ready"]
    assert set(states().values()) == {"pending"}
    assert actions().count("imported") == 1
    assert len(stored()) == 2


@pytest.mark.django_db(transaction=True)
def test_a_silent_worker_keeps_its_package_as_long_as_it_lives(settings: Settings) -> None:
    settings.DUS_LEASE_SECONDS = 0.3
    package = make_uploaded_package(PACKAGE)
    claim = taken(package)

    with Heartbeat(claim):
        time.sleep(0.8)
        assert claims.take(package.pk) is None
    time.sleep(0.4)

    assert taken(package).attempt == 2


@pytest.mark.django_db(transaction=True)
def test_a_worker_notices_while_it_unpacks_that_its_package_is_gone(settings: Settings) -> None:
    settings.DUS_LEASE_SECONDS = 0.1
    package = make_uploaded_package(PACKAGE)
    claim = taken(package)
    Package.objects.filter(pk=package.pk).update(claimed_at=timezone.now())

    with Heartbeat(claim) as heartbeat:
        time.sleep(0.5)
        with pytest.raises(ClaimLostError):
            heartbeat.progress(1, 2)

    package.refresh_from_db()
    assert package.done_bytes == 0


@pytest.mark.django_db
def test_the_page_can_follow_how_far_the_worker_is() -> None:
    package = make_uploaded_package(PACKAGE)

    with Heartbeat(taken(package)) as heartbeat:
        heartbeat.progress(10, 100)
        heartbeat.progress(11, 100)

    package.refresh_from_db()
    # The second figure came too soon to be worth a write.
    assert (package.done_bytes, package.total_bytes) == (10, 100)
