"""The update rule: what a device is offered, and why."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from updates.domain import versions


class Reason(StrEnum):
    """Why something, or nothing, is offered: a stable word; `label` says it to people."""

    UNKNOWN_TYPE = "unknown_type"
    NOTHING_APPROVED = "nothing_approved"
    UP_TO_DATE = "up_to_date"
    APPROVED_DIFFERS = "approved_differs"
    PENDING_FOR_TEST_DEVICE = "pending_for_test_device"
    TEST_UP_TO_DATE = "test_up_to_date"
    OFFERS_DISABLED = "offers_disabled"

    @property
    def label(self) -> str:
        """The reason in English words, without a full stop."""
        return _LABELS[self]


_LABELS = {
    Reason.UNKNOWN_TYPE: "no update is known for this device type",
    Reason.NOTHING_APPROVED: "nothing is approved for this device type",
    Reason.UP_TO_DATE: "the device runs the approved version",
    Reason.APPROVED_DIFFERS: "the approved version is different",
    Reason.PENDING_FOR_TEST_DEVICE: "a pending version is different, and this is a test device",
    Reason.TEST_UP_TO_DATE: "the test device runs the pending version",
    Reason.OFFERS_DISABLED: "offers are turned off",
}


@dataclass(frozen=True, slots=True)
class Candidate:
    """An update that could be offered."""

    update_id: int
    update_type: str
    version: str


@dataclass(frozen=True, slots=True)
class Choice:
    """What is offered (None: nothing) and why."""

    candidate: Candidate | None
    reason: Reason


def choose(
    *,
    reported: str | None,
    approved: Candidate | None,
    pending: Candidate | None,
    is_test: bool,
    offers_enabled: bool = True,
) -> Choice:
    """Decide what one device is offered of one update type. A blank or missing `reported` equals no version.

    The first row that fits decides (- means any):

    offers  test device  pending  approved  reported   offered   reason
    ------  -----------  -------  --------  ---------  --------  -----------------------
    off     -            -        -         -          nothing   OFFERS_DISABLED
    on      yes          some     -         = pending  nothing   TEST_UP_TO_DATE
    on      yes          some     -         other      pending   PENDING_FOR_TEST_DEVICE
    on      -            -        none      -          nothing   NOTHING_APPROVED
    on      -            -        some      = approved nothing   UP_TO_DATE
    on      -            -        some      other      approved  APPROVED_DIFFERS

    "Other" includes newer: an older approved version is offered, too (a downgrade), as the original did.
    """
    if not offers_enabled:
        return Choice(None, Reason.OFFERS_DISABLED)
    running = (reported or "").strip()
    if is_test and pending is not None:
        if versions.same(running, pending.version):
            return Choice(None, Reason.TEST_UP_TO_DATE)
        return Choice(pending, Reason.PENDING_FOR_TEST_DEVICE)
    if approved is None:
        return Choice(None, Reason.NOTHING_APPROVED)
    if versions.same(running, approved.version):
        return Choice(None, Reason.UP_TO_DATE)
    return Choice(approved, Reason.APPROVED_DIFFERS)


def reported_version(
    update_type: str, *, device_version: str | None, modules: Sequence[tuple[str, str]]
) -> str | None:
    """Give the version a device runs of one update type, None when it did not say.

    `modules` are (file name, version) pairs as reported. A module counts when its name, or its name without extension,
    is the update type without regard to case, and it has a version; else the device's own version stands.
    """
    wanted = update_type.casefold()
    for name, version in modules:
        folded = name.replace("\\", "/").rpartition("/")[2].casefold()
        if wanted in (folded, folded.rpartition(".")[0]) and version.strip():
            return version.strip()
    return (device_version or "").strip() or None
