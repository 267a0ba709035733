"""The console: Django's admin with a site of our own."""

from django.contrib.admin import AdminSite


class ConsoleSite(AdminSite):
    """The console."""
