"""The path rule: what the place of a member in its cabinet says about the update it belongs to."""

import re
from dataclasses import dataclass
from typing import Final

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
