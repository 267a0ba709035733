"""Reading Microsoft cabinets (.cab) that nobody vouches for: inspect first, then decode in a confined child.

Plain Python: no Django, no network, and no member's name ever becomes a file's name. Formats are those of MS-CAB and
MS-MCI; methods none and MSZIP need only zlib, LZX and Quantum need libmspack.
"""

from updates.cabinet.decoding import decode
from updates.cabinet.errors import CabinetError
from updates.cabinet.extraction import Extracted, Receiver, extract
from updates.cabinet.inspection import Folder, Inspection, Member, Method, inspect
from updates.cabinet.limits import Limits

__all__ = [
    "CabinetError",
    "Extracted",
    "Folder",
    "Inspection",
    "Limits",
    "Member",
    "Method",
    "Receiver",
    "decode",
    "extract",
    "inspect",
]
