from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class UpdatesConfig(AppConfig):
    """Packages, updates, and what devices are offered."""

    name = "updates"
    verbose_name = _("Updates")
