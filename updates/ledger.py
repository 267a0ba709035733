"""Writes the ledger, and tells every process that what is offered has changed."""

from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import User
from django.db.models import F
from django.utils import timezone

from devices.wording import Wording
from updates.domain.lifecycle import Action
from updates.models import LedgerEntry, Package, ServiceState, Update

SYSTEM = "system"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What happened, in the ledger's words; `before` and `after` are states or versions.

    The reason is what somebody wrote, or the service's own words.
    """

    action: Action
    subject: str
    update: Update | None = None
    package: Package | None = None
    before: str = ""
    after: str = ""
    reason: str | Wording = ""


def record(entry: Entry, *, by: User | None, now: datetime | None = None) -> None:
    """Adds `entry` in the caller's transaction; without `by` the service itself acted."""
    LedgerEntry.objects.create(
        at=now or timezone.now(),
        action=entry.action.value,
        actor=by,
        actor_name=by.get_username() if by else SYSTEM,
        subject=entry.subject[:400],
        update_number=entry.update.pk if entry.update else None,
        package_number=entry.package.pk if entry.package else None,
        before=entry.before[:100],
        after=entry.after[:100],
        reason=entry.reason,
        reason_words=entry.reason.to_json() if isinstance(entry.reason, Wording) and entry.reason else {},
    )


def offers_changed() -> None:
    """Raises the generation, in the caller's transaction: processes re-read what is offered within a second."""
    if not ServiceState.objects.filter(pk=1).update(generation=F("generation") + 1):
        ServiceState.objects.get_or_create(pk=1, defaults={"generation": 1})
