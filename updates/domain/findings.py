"""What the examination of a package has to say, check by check."""

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from devices.wording import NOTHING, Wording
from devices.wording import wording as _

# A package with a systematic fault would otherwise fill the page with one sentence.
_SAME_FINDINGS: Final = 20


class Level(StrEnum):
    """How much a finding matters: only a failure stops the package."""

    PASS = "pass"  # noqa: S105 - the word on the wire, not a password
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding: a short stable slug for the check, the member concerned ("" for the package), cause and remedy.

    The member is a name, which nobody translates, or a place put into words.
    """

    level: Level
    check: str
    member: str | Wording
    message: Wording
    remedy: Wording = NOTHING


class Findings:
    """Collects findings in order; of many alike the first are kept, and the others counted."""

    def __init__(self) -> None:
        self._kept: list[Finding] = []
        self._counts: Counter[tuple[Level, str]] = Counter()

    def add(self, finding: Finding) -> None:
        """Adds one."""
        alike = finding.level, finding.check
        self._counts[alike] += 1
        if self._counts[alike] <= _SAME_FINDINGS:
            self._kept.append(finding)

    def has(self, check: str) -> bool:
        """Tells whether the check has a finding, of whatever level."""
        return any(check == other for _level, other in self._counts)

    def all(self) -> tuple[Finding, ...]:
        """Gives what was kept, then how many more there were."""
        more = [
            Finding(
                level, check, "", _("and %(count)d more findings like these", count=count - _SAME_FINDINGS)
            )
            for (level, check), count in self._counts.items()
            if count > _SAME_FINDINGS
        ]
        return (*self._kept, *more)
