"""Steps of the demonstration: each holds, or says what was seen instead."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class StepError(Exception):
    """A step that did not hold; the text says what was seen instead."""


def require(holds: object, otherwise: str) -> None:
    """Raises StepError with `otherwise` unless `holds`."""
    if not holds:
        raise StepError(otherwise)


@contextmanager
def step(text: str, *, say: Callable[[str], object]) -> Iterator[None]:
    """Says in one line whether what happens inside held, and how long it took."""
    started = time.monotonic()
    try:
        yield
    except BaseException:
        say(f"✗ {time.monotonic() - started:5.1f} s  {text}")
        raise
    say(f"✓ {time.monotonic() - started:5.1f} s  {text}")


def wait_for(condition: Callable[[], bool], *, within: float, otherwise: str) -> None:
    """Waits until `condition` holds. Raises StepError when it does not within so many seconds."""
    deadline = time.monotonic() + within
    while not condition():
        require(time.monotonic() < deadline, otherwise)
        time.sleep(0.1)
