"""What nobody else looks after: lost messages, dead workers, and what they left behind."""

import logging
import shutil
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from updates import publishing
from updates.domain.lifecycle import State
from updates.extraction import claims
from updates.models import Package, Update
from updates.store import StoreError

_OLD = timedelta(days=1)

logger = logging.getLogger(__name__)


def sweep() -> list[int]:
    """Clears what dead processes left, and gives the packages to queue again, the oldest first.

    A package is queued again when its message must have been lost, when it waits for an attempt that is due, or when
    its worker let the lease run out. One whose attempts are used up is among them: the next claim fails it.
    What cannot be cleared is logged, and tried again by the next sweep.
    """
    now = timezone.now()
    _try(partial(_clear_scratch, now))
    _withdraw_forgotten(now)
    # A package that was uploaded just now has its message on the way.
    fresh = now - timedelta(seconds=2 * settings.DUS_SWEEP_SECONDS)
    waiting = Package.objects.filter(claims.due(now)).exclude(
        state=Package.State.UPLOADED, retry_at__isnull=True, uploaded_at__gt=fresh
    )
    return list(waiting.order_by("uploaded_at", "pk").values_list("pk", flat=True))


def _try(clear: Callable[[], None]) -> None:
    try:
        clear()
    except (OSError, StoreError):
        logger.exception("a file was not cleared away")


def _withdraw_forgotten(now: datetime) -> None:
    """Removes reservations that nobody will take over: their package has its verdict, or an assignment died."""
    active = (Package.State.UPLOADED, Package.State.EXTRACTING)
    no_heir = Q(receipt__isnull=True) | ~Q(package__state__in=active)
    forgotten = Update.objects.filter(no_heir, state=State.IMPORTING, imported_at__lt=now - publishing.SILENT)
    for update_id in forgotten.values_list("pk", flat=True):
        # One by one: a file that cannot be deleted holds up nothing but its own update.
        _try(partial(publishing.withdraw, forgotten.filter(pk=update_id)))


def _clear_scratch(now: datetime) -> None:
    for path in (*_found("extract", "*"), *_found("uploads", "*.part")):
        try:
            changed = path.stat().st_mtime
        except FileNotFoundError:
            continue
        if changed < (now - _OLD).timestamp():
            _remove(path)


def _found(folder: str, pattern: str) -> list[Path]:
    return list((Path(settings.DUS_SCRATCH_DIR) / folder).glob(pattern))


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
