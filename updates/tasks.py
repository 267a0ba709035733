"""What workers do. Each task takes ids, and ends in one call."""

from celery import shared_task
from django.conf import settings
from django.db import Error

from updates import extraction
from updates.publishing import Busy
from updates.store import StoreError


@shared_task(
    name="updates.tasks.extract_package",
    acks_late=True,
    reject_on_worker_lost=True,
    ignore_result=True,
    soft_time_limit=settings.CELERY_TASK_SOFT_TIME_LIMIT,
    time_limit=settings.CELERY_TASK_TIME_LIMIT,
    autoretry_for=(OSError, StoreError, Error, Busy),
    # The same delays as the row's own: a retry that came before them would find the package not due.
    retry_backoff=extraction.RETRY_SECONDS,
    retry_backoff_max=extraction.RETRY_MOST_SECONDS,
    retry_jitter=False,
    # The row counts the attempts, also those that took their worker with them.
    max_retries=None,
)
def extract_package(*, package_id: int) -> None:
    """Extracts one package, if nobody else does."""
    extraction.extract(package_id)


@shared_task(
    name="updates.tasks.sweep",
    ignore_result=True,
    soft_time_limit=settings.CELERY_TASK_SOFT_TIME_LIMIT,
    time_limit=settings.CELERY_TASK_TIME_LIMIT,
    # Sweeps that waited behind long extractions have nothing to add to the one that runs.
    expires=max(settings.DUS_SWEEP_SECONDS, 5),
)
def sweep() -> None:
    """Queues what was lost and clears what was left behind."""
    for package_id in extraction.sweep():
        extract_package.delay(package_id=package_id)
