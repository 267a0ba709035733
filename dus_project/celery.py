"""The Celery application; workers start with `celery -A dus_project`."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dus_project.settings.base")

app = Celery("dus_project")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
