"""What the check is compared with: the service's settings with one view behind no middleware."""

from dus_project.settings.base import *  # noqa: F403 - everything but what follows is the service's own

ROOT_URLCONF = "bench.constant"
MIDDLEWARE = []
