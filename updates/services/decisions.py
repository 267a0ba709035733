"""Approve, reject, roll back, remove: what an administrator decides about updates.

Each function takes a selection and decides every update in it by one conditional UPDATE that can lose: to
another administrator, or to a newer import. What lost is said in the outcome; what won stands in the ledger.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from devices.models import DeviceType
from updates import authorisation, ledger, publishing, store
from updates.domain.lifecycle import Action, State, sources_of
from updates.models import LedgerEntry, Update


@dataclass(frozen=True, slots=True)
class Lost:
    """An update of the selection that was left as it is, and why."""

    update_id: int
    label: str
    why: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a decision did. `restored` are the updates that a roll-back brought back."""

    done: tuple[Update, ...]
    lost: tuple[Lost, ...] = ()
    restored: tuple[Update, ...] = ()


@dataclass(frozen=True, slots=True)
class _Decision:
    by: User | None
    reason: str
    now: datetime

    def record(self, action: Action, update: Update, *, before: str, after: str) -> None:
        entry = ledger.Entry(
            action=action,
            subject=str(update),
            update=update,
            package=update.package,
            before=before,
            after=after,
            reason=self.reason,
        )
        ledger.record(entry, by=self.by, now=self.now)


def approve(update_ids: Iterable[int], *, by: User | None, reason: str = "") -> Outcome:
    """Offers pending updates to every device of their type; the versions approved before are superseded.

    Raises NotPermittedError.
    """
    authorisation.require(authorisation.APPROVE, by)
    return _decide(update_ids, Action.APPROVED, _approve, _Decision(by, reason, timezone.now()))


def reject(update_ids: Iterable[int], *, by: User | None, reason: str = "") -> Outcome:
    """Withdraws pending updates; test devices fall back to the approved versions. Files stay until cleared.

    Raises NotPermittedError.
    """
    authorisation.require(authorisation.REJECT, by)
    return _decide(update_ids, Action.REJECTED, _reject, _Decision(by, reason, timezone.now()))


def roll_back(update_ids: Iterable[int], *, by: User | None, reason: str = "") -> Outcome:
    """Withdraws approved updates and approves again what was approved before each, if anything was.

    Raises NotPermittedError.
    """
    authorisation.require(authorisation.ROLL_BACK, by)
    return _decide(update_ids, Action.ROLLED_BACK, _roll_back, _Decision(by, reason, timezone.now()))


def remove(update_ids: Iterable[int], *, by: User | None, reason: str = "") -> Outcome:
    """Deletes superseded and rejected updates with their files; their versions may then be imported again.

    Raises NotPermittedError; OSError when the store does not delete a file: the update then remains, without
    the promise of its files, and removing it again finishes the work.
    """
    authorisation.require(authorisation.REMOVE, by)
    decision = _Decision(by, reason, timezone.now())
    ids = sorted(set(update_ids))
    removable = Update.objects.filter(pk__in=ids, state__in=sources_of(Action.REMOVED))
    with transaction.atomic():
        # From here on nobody restores or serves them; the rows still keep their versions from being imported.
        _lock_types(ids)
        doomed = list(removable.values_list("pk", flat=True))
        Update.objects.filter(pk__in=doomed).update(files_cleared_at=decision.now)
        _hand_on_predecessors(doomed)
    # Only those: what becomes removable meanwhile has lost neither its promise of files nor its followers.
    outcome = _decide(doomed, Action.REMOVED, _remove, decision)
    return replace(outcome, lost=(*outcome.lost, *_left(set(ids).difference(doomed))))


def preview(update_ids: Iterable[int], action: Action) -> Outcome:
    """What a decision would do at this moment; nothing is changed. The updates keep the states they have."""
    ids = sorted(set(update_ids))
    found = Update.objects.select_related("device_type", "package", "previous__device_type").in_bulk(ids)
    lost = _left(pk for pk in ids if pk not in found or found[pk].state not in sources_of(action))
    done = tuple(update for update in found.values() if update.state in sources_of(action))
    restored = (update.previous for update in done) if action is Action.ROLLED_BACK else ()
    return Outcome(done, lost, tuple(update for update in restored if update is not None))


def _decide(
    update_ids: Iterable[int],
    action: Action,
    decide: Callable[[Update, _Decision], Update | None],
    decision: _Decision,
) -> Outcome:
    ids = sorted(set(update_ids))
    done: list[Update] = []
    restored: list[Update] = []
    with transaction.atomic():
        _lock_types(ids)
        found = Update.objects.select_related("device_type", "package", "previous").in_bulk(ids)
        lost = [_gone(pk) for pk in ids if pk not in found]
        for update in found.values():
            if update.state not in sources_of(action):
                lost.append(_lost(update))
                continue
            brought_back = decide(update, decision)
            done.append(update)
            if brought_back is not None:
                restored.append(brought_back)
        if done:
            ledger.offers_changed()
    return Outcome(tuple(done), tuple(lost), tuple(restored))


def _lock_types(update_ids: Iterable[int]) -> None:
    """Makes decisions on one device type wait for each other; always in the same order, so that none wait in a ring."""
    publishing.lock_types(DeviceType.objects.filter(updates__in=update_ids).values_list("pk", flat=True))


def _move(update: Update, to: State, **changes: object) -> None:
    """The conditional UPDATE: the state that was read is still the state, or the whole transaction is undone."""
    won = Update.objects.filter(pk=update.pk, state=update.state).update(state=to, **changes)
    if won != 1:
        raise RuntimeError(f"{update} changed its state while its device type was locked")
    update.state = to


def _approve(update: Update, decision: _Decision) -> None:
    former = (
        Update.objects.filter(
            device_type_id=update.device_type_id, update_type=update.update_type, state=State.APPROVED
        )
        .select_related("device_type", "package")
        .first()
    )
    if former is not None:
        _move(former, State.SUPERSEDED)
        decision.record(Action.SUPERSEDED, former, before=State.APPROVED, after=State.SUPERSEDED)
    _move(update, State.APPROVED, previous=former, approved_at=decision.now)
    decision.record(
        Action.APPROVED,
        update,
        before=former.version if former else "",
        after=update.version,
    )


def _reject(update: Update, decision: _Decision) -> None:
    _move(update, State.REJECTED)
    decision.record(Action.REJECTED, update, before=State.PENDING, after=State.REJECTED)


def _roll_back(update: Update, decision: _Decision) -> Update | None:
    previous = update.previous
    _move(update, State.REJECTED)
    decision.record(
        Action.ROLLED_BACK,
        update,
        before=update.version,
        after=previous.version if previous else "",
    )
    if previous is None:
        return None
    _move(previous, State.APPROVED, approved_at=decision.now)
    decision.record(Action.RESTORED, previous, before=State.SUPERSEDED, after=State.APPROVED)
    return previous


def _hand_on_predecessors(doomed: Collection[int]) -> None:
    """Lets what would restore one of `doomed` restore the nearest predecessor that stays."""
    before = dict(Update.objects.filter(pk__in=doomed).values_list("pk", "previous_id"))
    for pk in doomed:
        nearest = before[pk]
        while nearest in before:
            nearest = before[nearest]
        Update.objects.filter(previous=pk).exclude(pk__in=doomed).update(previous=nearest)


def _remove(update: Update, decision: _Decision) -> None:
    # While the type is locked: once the row is gone, the next import may bring files to the same paths.
    store.delete(update.files.values_list("path", flat=True))
    decision.record(Action.REMOVED, update, before=update.state, after="")
    Update.objects.filter(pk=update.pk).delete()


def _left(update_ids: Iterable[int]) -> tuple[Lost, ...]:
    """Why each of these was left as it is."""
    ids = sorted(update_ids)
    found = Update.objects.select_related("device_type").in_bulk(ids)
    return tuple(_lost(found[pk]) if pk in found else _gone(pk) for pk in ids)


def _gone(update_id: int) -> Lost:
    return Lost(update_id, f"#{update_id}", _("There is no such update, or not any more."))


def _lost(update: Update) -> Lost:
    last = LedgerEntry.objects.filter(update_number=update.pk).first()
    if last is None:
        why = _("It is %(state)s.") % {"state": update.get_state_display()}
    else:
        why = _("It is %(state)s: %(action)s by %(user)s.") % {
            "state": update.get_state_display(),
            "action": last.get_action_display(),
            "user": last.actor_name,
        }
    return Lost(update.pk, str(update), why)
