"""Decisions made at the same moment, by threads with connections of their own."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection

from tests.builders import make_update
from updates.domain.lifecycle import State
from updates.models import LedgerEntry, Update
from updates.services import decisions

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
