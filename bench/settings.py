"""The service's settings, and the commands of this folder."""

from dus_project.settings import base
from dus_project.settings.base import *  # noqa: F403 - everything but what follows is the service's own

INSTALLED_APPS = [*base.INSTALLED_APPS, "bench"]
