"""The path rule: what the place of a member in its cabinet says about the update it belongs to."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

T = TypeVar("T")
# Below the original's update store: family, brand, model, revision, locale, version, update type, file (the vendor's
# deployment guide of the CX700 shows UCPhone/Polycom/CX700/A/ENU/1.0.522.101/CPE).
_PARTS: Final = 8
_DIGIT: Final = re.compile(r"[0-9]")
# Three letters as Windows abbreviates languages (ENU, JPN), or a language tag (en, en-US, zh-Hant-TW).
_LOCALE: Final = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,3}")


@dataclass(frozen=True, slots=True)
class PathParts:
    """The last eight parts of a member's path, not yet checked as names."""

    family: str
    brand: str
    model: str
    revision: str
    locale: str
    version: str
    update_type: str
    file: str


def split(name: str) -> list[str]:
    """Split a member's name into the parts of its path; slashes and backslashes both separate."""
    return [part for part in name.replace("\\", "/").split("/") if part]


def read_path(name: str) -> PathParts | None:
    """Give what a member's path says, None when it does not read as the path of an update's file.

    It does when it has at least eight parts, of which the version (the third from the end) has a digit and a dot, and the
    locale (the fourth from the end) is a language: so that a deep folder of something else is not taken for an update.
    """
    parts = split(name)
    if len(parts) < _PARTS:
        return None
    found = PathParts(*parts[-_PARTS:])
    if (
        "." not in found.version
        or _DIGIT.search(found.version) is None
        or _LOCALE.fullmatch(found.locale) is None
    ):
        return None
    return found


class Lookup(Generic[T]):
    """Things of one cabinet by the paths that a description file gives: as spelled, else without regard to case."""

    def __init__(self, named: Iterable[tuple[str, T]]) -> None:
        self._exact: dict[str, list[T]] = {}
        self._folded: dict[str, list[T]] = {}
        for name, thing in named:
            path = "/".join(split(name))
            self._exact.setdefault(path, []).append(thing)
            self._folded.setdefault(path.casefold(), []).append(thing)

    def find(self, path: str) -> list[T]:
        """All that have the path, none when there are none."""
        plain = "/".join(part for part in split(path) if part != ".")
        return self._exact.get(plain) or self._folded.get(plain.casefold(), [])
