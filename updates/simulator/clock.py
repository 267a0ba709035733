"""Time as a phone sees it; tests give it a faster one."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime


def _now() -> datetime:
    return datetime.fromtimestamp(time.time(), UTC)


@dataclass(frozen=True, slots=True)
class Clock:
    """`sleep` takes seconds, and may raise StoppedError to switch the phone off."""

    now: Callable[[], datetime] = _now
    sleep: Callable[[float], None] = time.sleep
