"""How devices are named: MAC addresses, serial numbers, device types.

The accepted forms of MAC addresses and serial numbers are those of the original service's test devices (the
documentation of New-CsTestDevice): six or more two-digit pairs, joined or separated by `-` or `:`; serial numbers of
letters, digits, `-` and `_`.
"""

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from devices.wording import NOTHING, WordedError, Wording
from devices.wording import wording as _

MAX_MAC_PAIRS = 20
MAX_MAC_LENGTH = 3 * MAX_MAC_PAIRS - 1
MAX_SERIAL_LENGTH = 64
MAX_PART_LENGTH = 64
MAX_PATH_LENGTH = 5 * MAX_PART_LENGTH + 4
# What common file systems take for one name, in UTF-8.
MAX_NAME_BYTES = 255

_MIN_MAC_PAIRS = 6
_SHOWN = 64
_MAC = re.compile(
    rf"[0-9A-Fa-f]{{2}}(?:(?P<separator>[-:]?)[0-9A-Fa-f]{{2}}(?:(?P=separator)[0-9A-Fa-f]{{2}}){{{_MIN_MAC_PAIRS - 2},{MAX_MAC_PAIRS - 2}}})"
)
_SERIAL = re.compile(rf"[A-Za-z0-9_-]{{1,{MAX_SERIAL_LENGTH}}}")
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_-]+")
_FORBIDDEN_IN_NAMES = frozenset('/\\:*?"<>|')
_WINDOWS_DEVICES = frozenset(
    ["con", "prn", "aux", "nul", "conin$", "conout$"]
    + [f"{port}{number}" for port in ("com", "lpt") for number in "0123456789¹²³"]
)
# Made once: a check is read for every request.
_FAMILY, _BRAND, _MODEL = _("family"), _("brand"), _("model")
_REVISION, _LOCALE = _("revision"), _("locale")


class IdentityError(WordedError, ValueError):
    """A name that is not one; the text says what is wrong and which forms are accepted."""


class IdentifierKind(StrEnum):
    """The two things a single device is known by."""

    MAC = "mac"
    SERIAL = "serial"


def shown(text: str) -> str:
    """Make what somebody sent fit for a message: quoted, printable, at most 64 characters of it."""
    cut = text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
    return "“" + "".join(character if character.isprintable() else "�" for character in cut) + "”"


def normalise_mac(text: str) -> str:
    """Give a MAC address as upper-case pairs joined by `-`, e.g. `00-15-5D-0A-0B-0C`.

    Six to twenty pairs, joined or separated by `-` or `:` (one separator throughout). Raises IdentityError.
    """
    stripped = text.strip()
    if _MAC.fullmatch(stripped) is None:
        message = _(
            "%(text)s is not a MAC address; write six or more (at most %(pairs)d) two-digit hexadecimal pairs, "
            "joined or all separated by - or all by :, such as 00-15-5D-0A-0B-0C, 00:15:5D:0A:0B:0C or 00155D0A0B0C",
            text=shown(stripped),
            pairs=MAX_MAC_PAIRS,
        )
        raise IdentityError(message)
    digits = stripped.replace("-", "").replace(":", "").upper()
    return "-".join(digits[start : start + 2] for start in range(0, len(digits), 2))


def normalise_serial(text: str) -> str:
    """Give a serial number in upper case. Raises IdentityError."""
    stripped = text.strip()
    if _SERIAL.fullmatch(stripped) is None:
        message = _(
            "%(text)s is not a serial number; write 1 to %(length)d of the letters A to Z, digits, - and _",
            text=shown(stripped),
            length=MAX_SERIAL_LENGTH,
        )
        raise IdentityError(message)
    return stripped.upper()


def normalise(kind: IdentifierKind, text: str) -> str:
    """Give the normal form of an identifier of this kind. Raises IdentityError."""
    return normalise_mac(text) if kind is IdentifierKind.MAC else normalise_serial(text)


def guess(text: str) -> tuple[IdentifierKind, str]:
    """Tell the kind of an identifier and its normal form: a MAC address if it reads as one, else a serial number.

    Raises IdentityError when it is neither.
    """
    try:
        return IdentifierKind.MAC, normalise_mac(text)
    except IdentityError:
        pass
    try:
        return IdentifierKind.SERIAL, normalise_serial(text)
    except IdentityError as error:
        message = _(
            "%(text)s is neither a MAC address (six or more hexadecimal pairs, such as 00-15-5D-0A-0B-0C) "
            "nor a serial number (1 to %(length)d letters, digits, - and _)",
            text=shown(text.strip()),
            length=MAX_SERIAL_LENGTH,
        )
        raise IdentityError(message) from error


def name_problem(text: str, *, max_length: int = MAX_PART_LENGTH) -> Wording:
    """Say why a text cannot be one name in a path and on every common file system; empty when it can.

    The answer is the end of a sentence whose subject the caller knows: "is empty; ...".
    """
    if not text:
        return _("is empty; give it 1 or more characters")
    if len(text) > max_length or len(text.encode("utf-8", "replace")) > MAX_NAME_BYTES:
        return _(
            "is longer than %(length)d characters (%(bytes)d bytes in UTF-8)",
            length=max_length,
            bytes=MAX_NAME_BYTES,
        )
    problem = NOTHING if _PLAIN_NAME.fullmatch(text) else _character_problem(text)
    if not problem and text.partition(".")[0].rstrip().casefold() in _WINDOWS_DEVICES:
        return _("is a reserved name on Windows; choose another")
    return problem


def _character_problem(text: str) -> Wording:
    if not text.isprintable():
        return _("has a control, invisible or text-direction character; remove it")
    if not _FORBIDDEN_IN_NAMES.isdisjoint(text):
        return _('has one of / \\ : * ? " < > |; use letters, digits, spaces, - _ .')
    if text.strip(" .") != text:
        return _("begins or ends with a space or a dot; remove it")
    return NOTHING


def _part(label: Wording, text: str) -> str:
    normal = text if text.isascii() else unicodedata.normalize("NFC", text)
    problem = name_problem(normal)
    if not problem and not normal.isascii():
        # Folding may lengthen ("ß" becomes "ss"), and the folded form is stored with the same width.
        problem = name_problem(_fold(normal))
    if problem:
        raise IdentityError(_("%(part)s %(name)s %(problem)s", part=label, name=shown(text), problem=problem))
    return normal


def _fold(text: str) -> str:
    return text.lower() if text.isascii() else unicodedata.normalize("NFC", text.casefold())


@dataclass(frozen=True, slots=True)
class DeviceTypeKey:
    """What an update is for, e.g. UCPhone / Polycom / CX700 / A / ENU; `of` checks the parts."""

    family: str
    brand: str
    model: str
    revision: str
    locale: str

    @classmethod
    def of(cls, family: str, brand: str, model: str, revision: str, locale: str) -> Self:
        """Check the five parts. Raises IdentityError that names the part."""
        return cls(
            family=_part(_FAMILY, family),
            brand=_part(_BRAND, brand),
            model=_part(_MODEL, model),
            revision=_part(_REVISION, revision),
            locale=_part(_LOCALE, locale),
        )

    @property
    def parts(self) -> tuple[str, str, str, str, str]:
        """The five parts in the order of the path."""
        return self.family, self.brand, self.model, self.revision, self.locale

    @property
    def path(self) -> str:
        """The type as the beginning of a path in the update store."""
        return "/".join(self.parts)

    @property
    def folded(self) -> str:
        """The path without regard to case: two types with the same `folded` are one type."""
        return _fold(self.path)

    def __str__(self) -> str:
        return " / ".join(self.parts)
