"""Turn offers on and off for the whole service."""

from django.contrib.auth.models import User
from django.db import transaction

from updates import authorisation, ledger
from updates.domain.lifecycle import Action
from updates.models import ServiceState


def switch_offers(*, enabled: bool, by: User | None, reason: str = "") -> bool:
    """Turns offers on or off; True when that changed something.

    Raises NotPermittedError.
    """
    authorisation.require(authorisation.SWITCH_OFFERS, by)
    with transaction.atomic():
        won = (
            ServiceState.objects.filter(pk=1, offers_enabled=not enabled).update(offers_enabled=enabled) == 1
        )
        if won:
            action = Action.OFFERS_ENABLED if enabled else Action.OFFERS_DISABLED
            ledger.record(ledger.Entry(action=action, subject="service", reason=reason), by=by)
            ledger.offers_changed()
    return won
