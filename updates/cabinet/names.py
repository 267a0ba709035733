r"""What members may be called. Names are labels for people and paths of a package; they never reach a file system.

The rules are the union of what Windows, POSIX systems and web servers cannot take back: whoever uses a name
further down may rely on it being a plain relative path.
"""

import re
import unicodedata

from updates.cabinet.errors import CabinetError
from updates.cabinet.limits import Limits

_FORBIDDEN = frozenset('<>"|?*:')
# Controls, formatting marks (bidirectional overrides, zero-width characters), half characters, line separators.
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_DEVICE = re.compile(
    r"(CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(COM|LPT)[0-9¹²³])\s*(\..*)?", re.IGNORECASE | re.DOTALL
)


def place_of(index: int, name: str | bytes) -> str:
    """How errors name a member. Python's own notation keeps any name on one line."""
    shown = name if isinstance(name, str) else name.decode("latin-1")
    return f"member {index} {shown!a}"


def decode_name(index: int, raw: bytes, *, is_utf8: bool) -> str:
    r"""A member's name as text, `\` turned to `/`.

    With the UTF-8 attribute (MS-CAB, _A_NAME_IS_UTF) the bytes must be UTF-8. Without it the code page is not
    recorded: ASCII is certain, anything else is read as Windows-1252, whose five empty places become U+FFFD.
    Text first, separators second: in some code pages the byte 0x5C is half of a character.
    """
    if is_utf8:
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise CabinetError(place_of(index, raw), "its name is marked as UTF-8 and is not") from error
    else:
        text = raw.decode("cp1252", errors="replace")
    return text.replace("\\", "/")


def check_name(index: int, name: str, raw: bytes, limits: Limits) -> None:
    """Raise CabinetError unless `name` is a plain relative path."""
    reason = _fault_of(name, raw, limits)
    if reason:
        raise CabinetError(place_of(index, name), reason, "Pack the files again under plain relative names.")


def _fault_of(name: str, raw: bytes, limits: Limits) -> str:
    if not name:
        return "it has no name"
    if len(raw) > limits.name_bytes:
        return f"its name is longer than {limits.name_bytes} bytes"
    if name.startswith("/"):
        return "its name is an absolute path"
    for character in name:
        if character in _FORBIDDEN or unicodedata.category(character) in _INVISIBLE:
            return f"its name contains the character U+{ord(character):04X}"
    parts = name.split("/")
    if len(parts) > limits.name_levels:
        return f"its path has more than {limits.name_levels} levels"
    return next((fault for part in parts if (fault := _fault_of_part(part))), "")


def _fault_of_part(part: str) -> str:
    if not part:
        return "its path has an empty part"
    if part in {".", ".."}:
        return f"its path contains {part!r}"
    if part.endswith((".", " ")):
        return "a part of its path ends with a dot or a space"
    if _DEVICE.fullmatch(part):
        return f"its path contains {part!r}, a device name on Windows"
    return ""


class NameSet:
    """The names of one cabinet: refuses what would be one file, or a file and a folder, on some file system."""

    def __init__(self) -> None:
        self._files: set[str] = set()
        self._folders: set[str] = set()

    def add(self, index: int, name: str) -> None:
        """Raise CabinetError if `name` clashes with one added before."""
        key = unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
        ends = [position for position, character in enumerate(key) if character == "/"]
        above = {key[:end] for end in ends}
        if key in self._files:
            raise CabinetError(place_of(index, name), "the cabinet has two members of this name")
        if key in self._folders or not above.isdisjoint(self._files):
            raise CabinetError(place_of(index, name), "a name stands for a file and for a folder")
        self._files.add(key)
        self._folders |= above
