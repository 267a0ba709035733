"""Versions as devices report them: compared as text for "different", ordered numerically for people."""

import re
from enum import StrEnum

from devices.wording import WordedError
from devices.wording import wording as _

# The width of the approved version in the original's rules (the WMI class MSFT_SIPDeviceUpdaterRules).
MAX_LENGTH = 20
SORT_KEY_LENGTH = 255

_VERSION = re.compile(rf"[A-Za-z0-9._+-]{{1,{MAX_LENGTH}}}")
_TOKEN = re.compile(r"[0-9]+|[^0-9]")


class VersionError(WordedError, ValueError):
    """A text that cannot be the version of an update."""


class Direction(StrEnum):
    """What installing an offered version means for a device that runs another one."""

    UPGRADE = "upgrade"
    DOWNGRADE = "downgrade"
    SAME = "same"
    UNKNOWN = "unknown"


def parse(text: str) -> str:
    """Give the version without surrounding space. Raises VersionError."""
    version = text.strip()
    if not version:
        raise VersionError(_("the version is empty; write one such as 4.0.7577.4066"))
    if len(version) > MAX_LENGTH:
        raise VersionError(
            _(
                "the version has %(length)d characters; at most %(most)d are accepted",
                length=len(version),
                most=MAX_LENGTH,
            )
        )
    if _VERSION.fullmatch(version) is None:
        raise VersionError(
            _(
                "the version has other characters than letters, digits, . _ - +; write one such as 4.0.7577.4066"
            )
        )
    if version.endswith("."):
        raise VersionError(_("the version ends with a dot; write one such as 4.0.7577.4066"))
    return version


def same(first: str, second: str) -> bool:
    """Tell whether two versions are one: as text, so 1.0 and 1.00 are different."""
    return first.strip() == second.strip()


def sort_key(text: str) -> str:
    """Give a text that a database can sort, in any collation, in the order people expect of versions.

    Runs of digits count as numbers, a shorter version comes before its continuations, then separators, letters,
    numbers. It is made of digits only, because collations disagree about everything else; at most 240 of them. What is
    not a version gets the empty key and comes first.
    """
    try:
        version = parse(text)
    except VersionError:
        return ""
    return "".join(_token_key(token) for token in _TOKEN.findall(version))


def _token_key(token: str) -> str:
    if token.isdigit():
        return "3" + token.zfill(MAX_LENGTH)
    if token.isalpha():
        return f"2{ord(token) - ord('A'):02}"
    return f"1{'+-_.'.index(token):02}"


def direction(running: str | None, offered: str) -> Direction:
    """Say what installing `offered` means for a device that runs `running`; unknown when the order cannot be told."""
    if running is None or not running.strip():
        return Direction.UNKNOWN
    if same(running, offered):
        return Direction.SAME
    now, then = sort_key(running), sort_key(offered)
    if not now or not then or now == then:
        return Direction.UNKNOWN
    return Direction.UPGRADE if then > now else Direction.DOWNGRADE
