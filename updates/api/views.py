"""Check, provisioning, and what is at no other address."""

import logging
from typing import Final

from django.conf import settings
from django.db import DatabaseError
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from devices.authentication.access import Caller, Door
from updates import catalogue, deliveries
from updates.api.base import DeviceView
from updates.api.errors import ProblemError
from updates.api.wire import CHECK
from updates.catalogue import Decision
from updates.deliveries import CheckIn, Offered
from updates.protocol import CheckRequest, ProtocolError, Provisioning

_log = logging.getLogger(__name__)

INTERNAL_HANDLER: Final = "RequestHandler/ucdevice.upx"
EXTERNAL_HANDLER: Final = "RequestHandlerExt/ucdevice.upx"


class CheckView(DeviceView):
    """A device asks for updates."""

    http_method_names = ["post"]

    def post(self, request: Request) -> Response:
        data = request.data
        check: CheckRequest | None = data.get(CHECK) if isinstance(data, dict) else None
        if check is None:
            raise ProtocolError("it has no body; send a check, with its Content-Length")
        decision = catalogue.decide(catalogue.current(), check)
        if decision.offers:
            _require_base_url(self.caller)
        _record(check, decision, self.caller)
        answer = catalogue.answer(
            decision, internal_url=settings.DUS_INTERNAL_URL, external_url=settings.DUS_EXTERNAL_URL
        )
        return self.reply(answer)


class ProvisioningView(DeviceView):
    """A device asks where to check for updates."""

    http_method_names = ["get", "head"]
    door = Door.EITHER

    def get(self, _request: Request) -> Response:
        internal, external = settings.DUS_INTERNAL_URL, settings.DUS_EXTERNAL_URL
        values = Provisioning(
            internal_url=f"{internal}/{INTERNAL_HANDLER}" if internal else "",
            external_url=f"{external}/{EXTERNAL_HANDLER}" if external else "",
            enabled=catalogue.current().offers_enabled,
        )
        return self.reply(values)


class NothingView(DeviceView):
    """An address of devices at which there is nothing; it is told to everybody alike, before anything else."""

    def perform_authentication(self, _request: Request) -> None:
        raise ProblemError(404, "There is nothing at this address.")


def _require_base_url(caller: Caller) -> None:
    name = "DUS_EXTERNAL_URL" if caller.is_outside else "DUS_INTERNAL_URL"
    if not getattr(settings, name):
        _log.error("An update cannot be offered: %s is empty. Set it to the address devices reach.", name)
        raise ProblemError(
            503,
            "An update is offered, but the service does not know its own address; its administrator can mend that.",
            {"Retry-After": "3600"},
        )


def _record(check: CheckRequest, decision: Decision, caller: Caller) -> None:
    check_in = CheckIn(
        at=timezone.now(),
        mac=check.mac,
        serial=check.serial,
        device_type=check.device_type,
        version=check.version or "",
        versions={
            verdict.update_type: verdict.reported
            for verdict in decision.verdicts
            if verdict.reported is not None
        },
        address=caller.address,
        is_outside=caller.is_outside,
        # Inside a device may say who uses it; outside the account was proved.
        account=caller.account or check.user,
        reason=decision.reason.value,
        offered=tuple(
            Offered(update_id=verdict.offer.candidate.update_id, from_version=verdict.reported or "")
            for verdict in decision.verdicts
            if verdict.offer is not None
        ),
    )
    try:
        deliveries.record([check_in])
    except DatabaseError:
        # The device gets its update all the same; the next check is recorded again.
        _log.exception("A check could not be recorded.")
