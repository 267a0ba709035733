import pytest

from updates.domain.lifecycle import STEPS, Action, State, sources_of, step_of, target_of

ALLOWED = {
    Action.IMPORTED: ({State.IMPORTING}, State.PENDING),
    Action.APPROVED: ({State.PENDING}, State.APPROVED),
    Action.REJECTED: ({State.PENDING}, State.REJECTED),
    Action.ROLLED_BACK: ({State.APPROVED}, State.REJECTED),
    Action.RESTORED: ({State.SUPERSEDED}, State.APPROVED),
    Action.SUPERSEDED: ({State.PENDING, State.APPROVED}, State.SUPERSEDED),
    Action.REMOVED: ({State.SUPERSEDED, State.REJECTED}, None),
}


@pytest.mark.parametrize("action", ALLOWED)
def test_an_action_is_allowed_from_its_sources_only(action: Action) -> None:
    sources, target = ALLOWED[action]
    assert sources_of(action) == sources
    assert target_of(action) is target


def test_every_step_is_listed_once() -> None:
    assert [step.action for step in STEPS] == list(ALLOWED)
    assert step_of(Action.APPROVED) in STEPS


@pytest.mark.parametrize("action", sorted(set(Action) - set(ALLOWED)))
def test_an_action_that_moves_no_update_has_no_step(action: Action) -> None:
    with pytest.raises(ValueError, match="does not change the state"):
        sources_of(action)


def test_what_is_approved_or_pending_cannot_be_removed() -> None:
    assert sources_of(Action.REMOVED).isdisjoint({State.APPROVED, State.PENDING, State.IMPORTING})
