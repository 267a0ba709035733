"""What administrators are told about devices before they decide."""

import pytest

from devices.models import TestDevice
from tests.builders import make_device, make_update
from updates.domain.lifecycle import Action, State
from updates.selectors import Effect, effects

pytestmark = pytest.mark.django_db


def counts(effect: Effect) -> dict[str, int]:
    names = ("upgrade", "downgrade", "same", "unknown")
    return {name: getattr(effect, name) for name in names if getattr(effect, name)}


def test_approving_says_who_goes_up_who_goes_down_and_of_whom_it_is_not_known() -> None:
    update = make_update("3.5.6907.35")
    for version in ("1.0.522.101", "1.0.522.101", "4.0.7577.4066", "3.5.6907.35", ""):
        make_device(version=version)

    (effect,) = effects([update.pk], Action.APPROVED)

    assert effect.offered == "3.5.6907.35"
    assert counts(effect) == {"upgrade": 2, "downgrade": 1, "same": 1, "unknown": 1}


def test_rejecting_concerns_test_devices_only_and_they_fall_back_to_the_approved_version() -> None:
    make_update("1.0.522.101", State.APPROVED)
    update = make_update("3.5.6907.35")
    tester = make_device(version="3.5.6907.35")
    make_device(version="1.0.522.101")
    TestDevice.objects.create(kind="mac", identifier=tester.mac, name="desk")

    (effect,) = effects([update.pk], Action.REJECTED)

    assert effect.offered == "1.0.522.101"
    assert counts(effect) == {"downgrade": 1}


def test_rolling_back_with_nothing_before_leaves_every_device_as_it_is() -> None:
    update = make_update("3.5.6907.35", State.APPROVED)
    make_device(version="3.5.6907.35")

    (effect,) = effects([update.pk], Action.ROLLED_BACK)

    assert effect.offered is None
    assert counts(effect) == {"same": 1}


def test_rolling_back_leaves_out_test_devices_that_have_a_pending_version() -> None:
    old = make_update("1.0.522.101", State.SUPERSEDED)
    update = make_update("3.5.6907.35", State.APPROVED, previous=old)
    make_update("4.0.7577.4066")
    tester = make_device(version="4.0.7577.4066")
    make_device(version="3.5.6907.35")
    TestDevice.objects.create(kind="mac", identifier=tester.mac, name="desk")

    (effect,) = effects([update.pk], Action.ROLLED_BACK)

    assert effect.offered == "1.0.522.101"
    assert counts(effect) == {"downgrade": 1}


def test_removing_concerns_no_device() -> None:
    update = make_update(state=State.REJECTED)
    make_device(version="1.0.199.123")

    (effect,) = effects([update.pk], Action.REMOVED)

    assert counts(effect) == {}
