"""From a stored package to published updates: what a worker does with one package, and what is left to a sweep."""

from updates.extraction.claims import RETRY_MOST_SECONDS, RETRY_SECONDS
from updates.extraction.sweeping import sweep
from updates.extraction.unpacking import limits
from updates.extraction.work import extract

__all__ = ["RETRY_MOST_SECONDS", "RETRY_SECONDS", "extract", "limits", "sweep"]
