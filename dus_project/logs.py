"""What the log need not have."""

import logging
from typing import Final

from django.http import HttpRequest

# `DeviceDoor` sets it in the environment of the requests that it answers.
OF_DEVICE: Final = "dus.of_device"


def without_traceback(record: logging.LogRecord) -> bool:
    """Leave one line of what anybody can bring about, such as a request for a host that is not ours."""
    if record.name.startswith("django.security"):
        record.exc_info = record.exc_text = None
    return True


def not_of_devices(record: logging.LogRecord) -> bool:
    """Keep out Django's line, with the path, about a refusal to a device: our own says why, where anything is wrong."""
    request = getattr(record, "request", None)
    return not (isinstance(request, HttpRequest) and OF_DEVICE in request.META)
