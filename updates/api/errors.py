"""From whatever went wrong to a refusal in the words of the protocol."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from django.db import DatabaseError
from django.http import UnreadablePostError
from rest_framework.exceptions import MethodNotAllowed

from devices.authentication.access import RefusedError
from updates.catalogue import CatalogueUnavailableError
from updates.protocol import ErrorAnswer, ProtocolError, standard_error

_log = logging.getLogger(__name__)

RETRY_SECONDS: Final = 60
_RETRY: Final = {"Retry-After": str(RETRY_SECONDS)}


@dataclass
class ProblemError(Exception):
    """A request that cannot be served: the HTTP status, a sentence where the status does not say enough, headers."""

    status: int
    message: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def answer(self) -> ErrorAnswer:
        return standard_error(self.status, self.message)


def problem_of(error: Exception) -> ProblemError:
    """Give the refusal for an exception; what nobody expected is logged with its traceback and becomes a 503."""
    match error:
        case ProblemError():
            return error
        case RefusedError():
            return ProblemError(error.status, error.message, error.headers)
        case ProtocolError():
            return ProblemError(400, f"The request cannot be understood: {error.reason}.")
        case UnreadablePostError():
            return ProblemError(400, "The request cannot be understood: its body broke off.")
        case MethodNotAllowed():
            return ProblemError(405)
        case CatalogueUnavailableError() | DatabaseError():
            _log.error("The database cannot be used: %s", error.__cause__ or error)
        case _:
            _log.exception("A device's request failed.", exc_info=error)
    return ProblemError(503, headers=_RETRY)
