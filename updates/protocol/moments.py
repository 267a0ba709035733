"""How a moment is written in every form of the protocol."""

from datetime import UTC, datetime


def write_instant(moment: datetime | None) -> str:
    """Write a moment in UTC to the second, ISO 8601; "" for none. A moment without a zone is taken as UTC."""
    if moment is None:
        return ""
    utc = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return f"{utc:%Y-%m-%dT%H:%M:%SZ}"


def read_instant(text: str) -> datetime | None:
    """Read what `write_instant` wrote. Raises ValueError."""
    return datetime.fromisoformat(text) if text else None
