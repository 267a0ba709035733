"""Clear the files of updates that were withdrawn."""

from collections.abc import Iterable

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from updates import authorisation, ledger, publishing, store
from updates.domain.lifecycle import Action, State
from updates.models import Update


def clearable(update_ids: Iterable[int] | None = None) -> QuerySet[Update]:
    """Rejected updates whose files still stand in the store; of all updates, or of `update_ids`."""
    rejected = Update.objects.filter(state=State.REJECTED, files_cleared_at__isnull=True)
    return rejected if update_ids is None else rejected.filter(pk__in=list(update_ids))


def clear_files(
    update_ids: Iterable[int] | None = None, *, by: User | None, reason: str = ""
) -> tuple[Update, ...]:
    """Deletes the files of rejected updates, and says of which. Their rows and the ledger remain.

    Raises NotPermittedError; OSError when the store fails: what was cleared until then is recorded, and clearing
    again finishes the work.
    """
    authorisation.require(authorisation.CLEAR_FILES, by)
    found = tuple(clearable(update_ids).select_related("device_type", "package"))
    return tuple(update for update in found if _clear(update, by=by, reason=reason))


def _clear(update: Update, *, by: User | None, reason: str) -> bool:
    """Clears one update; False when somebody else cleared or removed it first."""
    now = timezone.now()
    with transaction.atomic():
        # Until the end of it nobody removes the update, and so nobody imports its version again to the same paths.
        publishing.lock_types([update.device_type_id])
        if clearable([update.pk]).update(files_cleared_at=now) != 1:
            return False
        # A store that fails undoes the claim: the update is clearable again.
        store.delete(update.files.values_list("path", flat=True))
        entry = ledger.Entry(
            action=Action.FILES_CLEARED,
            subject=str(update),
            update=update,
            package=update.package,
            reason=reason,
        )
        ledger.record(entry, by=by, now=now)
    return True
