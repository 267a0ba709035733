"""The console's pages about updates, packages, devices and their history."""
