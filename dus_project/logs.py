"""What the log need not have."""

import logging
from typing import Final

from django.http import HttpRequest

# Set in the environment of requests about whose refusal our own log says all there is to say.
TOLD: Final = "dus.told"


def without_traceback(record: logging.LogRecord) -> bool:
    """Leave one line of what anybody can bring about, such as a request for a host that is not ours."""
    if record.name.startswith("django.security"):
        record.exc_info = record.exc_text = None
    return True


def not_told(record: logging.LogRecord) -> bool:
    """Keep out Django's line, an error with the path, about what is refused on purpose."""
    request = getattr(record, "request", None)
    return not (isinstance(request, HttpRequest) and TOLD in request.META)
