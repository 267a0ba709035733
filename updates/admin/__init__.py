"""The console's pages about updates, packages, devices and their history."""

from updates.admin import devices, ledger, packages, test_devices, updates

__all__ = ["devices", "ledger", "packages", "test_devices", "updates"]
