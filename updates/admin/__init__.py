"""The console's pages about updates, packages, devices and their history."""

from updates.admin import devices, ledger, packages, updates

__all__ = ["devices", "ledger", "packages", "updates"]
