"""Decisions made at the same moment, by threads with connections of their own."""

import io
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier, Event

import pytest
from django.core.files.storage import FileSystemStorage
from django.db import connection, transaction
from django.utils import timezone
from pytest_django import Settings

from tests.builders import CX700, UpdateShape, make_package, make_update
from tests.updates.extraction.helpers import bytes_at
from updates import publishing
from updates.domain.lifecycle import State
from updates.models import LedgerEntry, Update
from updates.services import decisions, files
from updates.store import SourceFile

pytestmark = pytest.mark.django_db(transaction=True)

Decide = Callable[..., decisions.Outcome]


def at_once(*calls: Callable[[], decisions.Outcome]) -> list[decisions.Outcome]:
    barrier = Barrier(len(calls))

    def run(call: Callable[[], decisions.Outcome]) -> decisions.Outcome:
        try:
            barrier.wait(timeout=10)
            return call()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


@pytest.mark.parametrize("attempt", range(5))
def test_of_an_approval_and_a_rejection_at_once_one_wins(attempt: int) -> None:
    update = make_update()

    outcomes = at_once(
        lambda: decisions.approve([update.pk], by=None),
        lambda: decisions.reject([update.pk], by=None),
    )

    assert sorted(len(outcome.done) for outcome in outcomes) == [0, 1]
    assert sorted(len(outcome.lost) for outcome in outcomes) == [0, 1]
    assert LedgerEntry.objects.filter(action__in=("approved", "rejected")).count() == 1


@pytest.mark.parametrize("attempt", range(5))
def test_an_approval_and_a_roll_back_at_once_leave_one_approved_update(attempt: int) -> None:
    first = make_update("1.0.0.1", State.APPROVED)
    second = make_update("2.0.0.1")

    at_once(
        lambda: decisions.approve([second.pk], by=None),
        lambda: decisions.roll_back([first.pk], by=None),
    )

    assert Update.objects.filter(state=State.APPROVED).get() == second


class SlowDeletions(FileSystemStorage):
    """An update store that takes its time for the first deletion, and says when it has begun."""

    begun = Event()

    def delete(self, name: str) -> None:
        if not self.begun.is_set():
            self.begun.set()
            time.sleep(1)
        super().delete(name)


def test_nobody_imports_a_version_again_while_its_files_are_being_cleared(settings: Settings) -> None:
    backend = f"{__name__}.SlowDeletions"
    settings.STORAGES = settings.STORAGES | {"updates": settings.STORAGES["updates"] | {"BACKEND": backend}}
    SlowDeletions.begun.clear()
    old = make_update(shape=UpdateShape(version="1.0", state=State.REJECTED, files={"CPE.nbt": b"old"}))
    path = old.files.get().path

    def clear() -> None:
        files.clear_files([old.pk], by=None)

    def import_again() -> None:
        SlowDeletions.begun.wait(timeout=10)
        decisions.remove([old.pk], by=None)
        source = SourceFile(
            name="CPE.nbt", size=3, sha256="", modified=None, open=partial(io.BytesIO, b"new")
        )
        new = publishing.NewUpdate(device_type=CX700, update_type="CPE", version="1.0", files=(source,))
        reservation = publishing.reserve(make_package(), [new], now=timezone.now())
        publishing.store_files(reservation)
        with transaction.atomic():
            publishing.publish(reservation, by=None, now=timezone.now())

    def run(call: Callable[[], None]) -> None:
        try:
            call()
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(run, [clear, import_again]))

    assert Update.objects.get().state == State.PENDING
    assert bytes_at(path) == b"new"
