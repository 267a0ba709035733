"""What the examination of a package has to say, check by check."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How much a finding matters: only a failure stops the package."""

    PASS = "pass"  # noqa: S105 - the word on the wire, not a password
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding: a short stable slug for the check, the member concerned ("" for the package), cause and remedy."""

    level: Level
    check: str
    member: str
    message: str
    remedy: str = ""
