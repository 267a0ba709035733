from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig

from dus_project import checks


class ProjectConfig(AppConfig):
    """The project itself: the commands and checks that concern the whole service."""

    name = "dus_project"
    verbose_name = "Device Update Service"

    def ready(self) -> None:
        checks.register_all()


class ConsoleConfig(AdminConfig):
    """Django's admin with the console as its site."""

    default_site = "dus_project.console.ConsoleSite"
