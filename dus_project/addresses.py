"""Which addresses are for devices, however they are spelled."""

import re
from typing import Final

from updates.api.views import EXTERNAL_HANDLER, INTERNAL_HANDLER
from updates.catalogue import EXTERNAL_FOLDER, INTERNAL_FOLDER

# The longer ones first: `canonical` takes the first that fits.
_OF_DEVICES: Final = (
    INTERNAL_HANDLER,
    EXTERNAL_HANDLER,
    "RequestHandler/Files",
    "RequestHandlerExt/Files",
    "RequestHandler",
    "RequestHandlerExt",
    INTERNAL_FOLDER,
    EXTERNAL_FOLDER,
    "provisioning",
)
# In any case: the original stood on a server for which case does not matter.
_BEGINNING: Final = re.compile(
    rf"/(?:{'|'.join(f'({re.escape(address)})' for address in _OF_DEVICES)})(?:/|\Z)",
    re.ASCII | re.IGNORECASE,
)


def canonical(path: str) -> str | None:
    """The path as `updates.api.urls` spells it, or None when it is not for devices. What follows stays as it is."""
    match = _BEGINNING.match(path)
    if match is None or match.lastindex is None:
        return None
    return f"/{_OF_DEVICES[match.lastindex - 1]}{path[match.end(match.lastindex) :]}"
