"""What a simulated phone has to tell at the end."""

from dataclasses import asdict, dataclass, field


@dataclass(slots=True)
class Check:
    """One check: when, why, and how it was answered; `status` is None when it was not."""

    at: str
    trigger: str
    offered: list[str] = field(default_factory=list)
    reason: str = ""
    status: int | None = None


@dataclass(frozen=True, slots=True)
class Fetch:
    """One file that was fetched."""

    url: str
    bytes: int
    resumed: bool


@dataclass(slots=True)
class Report:
    """The phone at the end, and what it did; `last_update` in ISO form, None before the first."""

    mac: str
    serial: str
    version: str = ""
    previous_version: str | None = None
    last_update: str | None = None
    checks: list[Check] = field(default_factory=list)
    downloads: list[Fetch] = field(default_factory=list)
    installed: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, object]:
        """The report in words that JSON has."""
        return asdict(self)
