"""Conditional requests and ranges as in RFC 9110, as values: which bytes of a file an answer has."""

import re
from dataclasses import dataclass
from typing import Final

# More digits than any size has; a longer number is not read as one.
_RANGE: Final = re.compile(r"\s*bytes\s*=\s*([0-9]{0,30})\s*-\s*([0-9]{0,30})\s*", re.IGNORECASE)


class UnsatisfiableError(Exception):
    """The range has no byte of the file."""


@dataclass(frozen=True, slots=True)
class Part:
    """The bytes from `start` on, `length` of them, of a file of `size` bytes."""

    start: int
    length: int
    size: int

    @property
    def ends_the_file(self) -> bool:
        return self.start + self.length == self.size

    @property
    def content_range(self) -> str:
        """The value of Content-Range."""
        return f"bytes {self.start}-{self.start + self.length - 1}/{self.size}"


@dataclass(frozen=True, slots=True)
class Selection:
    """What to send, and whether as a range (206) or as the whole file (200)."""

    part: Part
    is_range: bool


def select(*, header: str | None, if_range: str | None, etag: str, size: int) -> Selection:
    """Choose the bytes to send for a Range header and an If-Range header, both as sent, of a file with this ETag.

    Several ranges, other units and what is not a range give the whole file, as RFC 9110 (14.2) allows; so does an
    If-Range that is not exactly the ETag (13.1.5: a weak one never matches; files have no date).
    Raises UnsatisfiableError.
    """
    whole = Selection(Part(0, size, size), is_range=False)
    match = _RANGE.fullmatch(header or "")
    if match is None or (if_range is not None and if_range.strip() != etag):
        return whole
    first, last = match.groups()
    if not first and not last:
        return whole
    if not first:
        start, end = max(size - int(last), 0), size - 1
    else:
        start, end = int(first), min(int(last), size - 1) if last else size - 1
        if last and int(last) < start:
            return whole
    if start > end:
        raise UnsatisfiableError
    return Selection(Part(start, end - start + 1, size), is_range=True)


def is_fresh(if_none_match: str | None, etag: str) -> bool:
    """Tell whether the caller has the file already (RFC 9110, 13.1.2: weak comparison)."""
    if not if_none_match:
        return False
    known = [entry.strip().removeprefix("W/") for entry in if_none_match.split(",")]
    return "*" in known or etag in known
