"""Clear the files of updates that were withdrawn."""

from collections.abc import Iterable

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from updates import authorisation, ledger, store
from updates.domain.lifecycle import Action, State
from updates.models import Update, UpdateFile


def clearable(update_ids: Iterable[int] | None = None) -> QuerySet[Update]:
    """Rejected updates whose files still stand in the store; of all updates, or of `update_ids`."""
    rejected = Update.objects.filter(state=State.REJECTED, files_cleared_at__isnull=True)
    return rejected if update_ids is None else rejected.filter(pk__in=list(update_ids))


def clear_files(
    update_ids: Iterable[int] | None = None, *, by: User | None, reason: str = ""
) -> tuple[Update, ...]:
    """Deletes the files of rejected updates, and says of which. Their rows and the ledger remain.

    Raises NotPermittedError; OSError when the store fails: clearing again finishes the work.
    """
    authorisation.require(authorisation.CLEAR_FILES, by)
    cleared = tuple(clearable(update_ids).select_related("device_type", "package"))
    paths = UpdateFile.objects.filter(update__in=cleared).values_list("path", flat=True)
    # A rejected update never comes back, and its row keeps its version: nobody writes to these paths.
    store.delete(paths)
    now = timezone.now()
    with transaction.atomic():
        for update in cleared:
            Update.objects.filter(pk=update.pk).update(files_cleared_at=now)
            entry = ledger.Entry(
                action=Action.FILES_CLEARED,
                subject=str(update),
                update=update,
                package=update.package,
                reason=reason,
            )
            ledger.record(entry, by=by, now=now)
    return cleared
