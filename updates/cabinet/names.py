r"""What members may be called. Names are labels for people and paths of a package; they never reach a file system.

The rules are the union of what Windows, POSIX systems and web servers cannot take back: whoever uses a name
further down may rely on it being a plain relative path.
"""

import re
import unicodedata

from devices.wording import NOTHING, Wording
from devices.wording import wording as _
from updates.cabinet.errors import CabinetError
from updates.cabinet.limits import Limits

_FORBIDDEN = frozenset('<>"|?*:')
# Controls, formatting marks (bidirectional overrides, zero-width characters), half characters, line separators.
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_DEVICE = re.compile(
    r"(CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(COM|LPT)[0-9¹²³])\s*(\..*)?", re.IGNORECASE | re.DOTALL
)


def place_of(index: int, name: str | bytes) -> Wording:
    """How errors name a member. Python's own notation keeps any name on one line."""
    shown = name if isinstance(name, str) else name.decode("latin-1")
    return _("member %(number)d %(name)s", number=index, name=ascii(shown))


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
            raise CabinetError(place_of(index, raw), _("its name is marked as UTF-8 and is not")) from error
    else:
        text = raw.decode("cp1252", errors="replace")
    return text.replace("\\", "/")


def check_name(index: int, name: str, raw: bytes, limits: Limits) -> None:
    """Raise CabinetError unless `name` is a plain relative path."""
    reason = _fault_of(name, raw, limits)
    if reason:
        remedy = _("Pack the files again under plain relative names.")
        raise CabinetError(place_of(index, name), reason, remedy)


def _fault_of(name: str, raw: bytes, limits: Limits) -> Wording:
    if not name:
        return _("it has no name")
    if len(raw) > limits.name_bytes:
        return _("its name is longer than %(most)d bytes", most=limits.name_bytes)
    if name.startswith("/"):
        return _("its name is an absolute path")
    for character in name:
        if character in _FORBIDDEN or unicodedata.category(character) in _INVISIBLE:
            return _("its name contains the character %(code)s", code=f"U+{ord(character):04X}")
    parts = name.split("/")
    if len(parts) > limits.name_levels:
        return _("its path has more than %(most)d levels", most=limits.name_levels)
    return next((fault for part in parts if (fault := _fault_of_part(part))), NOTHING)


def _fault_of_part(part: str) -> Wording:
    if not part:
        return _("its path has an empty part")
    if part in {".", ".."}:
        return _("its path contains %(part)s", part=repr(part))
    if part.endswith((".", " ")):
        return _("a part of its path ends with a dot or a space")
    if _DEVICE.fullmatch(part):
        return _("its path contains %(part)s, a device name on Windows", part=repr(part))
    return NOTHING


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
            raise CabinetError(place_of(index, name), _("the cabinet has two members of this name"))
        if key in self._folders or not above.isdisjoint(self._files):
            raise CabinetError(place_of(index, name), _("a name stands for a file and for a folder"))
        self._files.add(key)
        self._folders |= above
