"""What workers do. Each task takes ids, and ends in one call."""

from celery import shared_task

from updates import extraction


@shared_task(name="updates.tasks.extract_package")
def extract_package(*, package_id: int) -> None:
    """Extracts one package, if nobody else does."""
    extraction.extract(package_id)


@shared_task(name="updates.tasks.sweep")
def sweep() -> None:
    """Queues what was lost and clears what was left behind."""
    for package_id in extraction.sweep():
        extract_package.delay(package_id=package_id)
