"""The states of an update, what is written to the ledger, and which steps are allowed."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class State(StrEnum):
    """Where an update stands; `IMPORTING` means its files are on their way to the store and nobody sees it."""

    IMPORTING = "importing"
    PENDING = "pending"
    APPROVED = "approved"
    SUPERSEDED = "superseded"
    REJECTED = "rejected"


class Action(StrEnum):
    """What the ledger can say that somebody did."""

    IMPORTED = "imported"
    APPROVED = "approved"
    REJECTED = "rejected"
    ROLLED_BACK = "rolled_back"
    RESTORED = "restored"
    SUPERSEDED = "superseded"
    REMOVED = "removed"
    FILES_CLEARED = "files_cleared"
    OFFERS_ENABLED = "offers_enabled"
    OFFERS_DISABLED = "offers_disabled"
    PACKAGE_UPLOADED = "package_uploaded"
    PACKAGE_FAILED = "package_failed"
    TEST_DEVICE_ADDED = "test_device_added"
    TEST_DEVICE_REMOVED = "test_device_removed"


@dataclass(frozen=True, slots=True)
class Step:
    """An action that moves an update from one of the sources to the target; None: the update is gone afterwards."""

    action: Action
    sources: frozenset[State]
    target: State | None


STEPS: Final = (
    Step(Action.IMPORTED, frozenset({State.IMPORTING}), State.PENDING),
    Step(Action.APPROVED, frozenset({State.PENDING}), State.APPROVED),
    Step(Action.REJECTED, frozenset({State.PENDING}), State.REJECTED),
    Step(Action.ROLLED_BACK, frozenset({State.APPROVED}), State.REJECTED),
    Step(Action.RESTORED, frozenset({State.SUPERSEDED}), State.APPROVED),
    Step(Action.SUPERSEDED, frozenset({State.PENDING, State.APPROVED}), State.SUPERSEDED),
    Step(Action.REMOVED, frozenset({State.SUPERSEDED, State.REJECTED}), None),
)
_BY_ACTION: Final = {step.action: step for step in STEPS}


def step_of(action: Action) -> Step:
    """Give the step an action makes. Raises ValueError for an action that moves no update."""
    step = _BY_ACTION.get(action)
    if step is None:
        raise ValueError(
            f"{action} does not change the state of an update; these do: {', '.join(_BY_ACTION)}"
        )
    return step


def sources_of(action: Action) -> frozenset[State]:
    """Give the states from which an action is allowed. Raises ValueError for an action that moves no update."""
    return step_of(action).sources


def target_of(action: Action) -> State | None:
    """Give the state after an action, None when the update is gone. Raises ValueError as `sources_of` does."""
    return step_of(action).target
