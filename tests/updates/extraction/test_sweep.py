"""Nothing is forgotten: lost messages, dead workers, and what they left on the disk."""

import io
import os
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from tests.builders import CX700, make_package, make_uploaded_package, member_path
from tests.cabs import cab
from tests.updates.extraction.helpers import extracted, stored
from updates import extraction, publishing, tasks
from updates.domain.lifecycle import State
from updates.extraction import claims
from updates.models import Package, Update
from updates.store import SourceFile

pytestmark = pytest.mark.django_db

PACKAGE = cab([(member_path("CPE.nbt"), b"image")])


def changed(package: Package, **changes: object) -> Package:
    Package.objects.filter(pk=package.pk).update(**changes)
    return package


def ago(**duration: float) -> object:
    return timezone.now() - timedelta(**duration)


def reserve(package: Package, version: str, *, receipt: datetime | None = None) -> Update:
    """What an extraction with `receipt`, or an assignment, leaves behind when it is killed while it stores its file."""
    file = SourceFile(
        name="CPE.nbt", size=4, sha256="", modified=None, open=lambda: io.BytesIO(version.encode())
    )
    new = publishing.NewUpdate(device_type=CX700, update_type="CPE", version=version, files=(file,))
    reservation = publishing.reserve(package, [new], now=timezone.now(), receipt=receipt)
    publishing.store_files(reservation)
    return reservation.updates[0][0]


def test_an_upload_whose_message_is_on_its_way_is_not_queued_twice() -> None:
    make_uploaded_package(PACKAGE)

    assert extraction.sweep() == []


def test_an_upload_whose_message_was_lost_is_queued_again() -> None:
    package = changed(make_uploaded_package(PACKAGE), uploaded_at=ago(minutes=1))

    assert extraction.sweep() == [package.pk]


def test_a_package_of_a_dead_worker_is_queued_again() -> None:
    package = make_uploaded_package(PACKAGE)
    claims.take(package.pk)
    assert extraction.sweep() == []

    changed(package, lease_until=ago(seconds=1))

    assert extraction.sweep() == [package.pk]


def test_a_package_that_waits_is_queued_when_its_time_has_come() -> None:
    package = changed(make_uploaded_package(PACKAGE), uploaded_at=ago(hours=1), retry_at=ago(minutes=-1))
    assert extraction.sweep() == []

    changed(package, retry_at=ago(seconds=1))

    assert extraction.sweep() == [package.pk]


def test_the_task_queues_what_the_sweep_found(monkeypatch: pytest.MonkeyPatch) -> None:
    package = changed(make_uploaded_package(PACKAGE), uploaded_at=ago(minutes=1))
    queued: list[dict[str, int]] = []
    monkeypatch.setattr(tasks.extract_package, "delay", lambda **message: queued.append(message))

    tasks.sweep()

    assert queued == [{"package_id": package.pk}]


def test_packages_that_are_done_are_not_queued() -> None:
    changed(extracted(PACKAGE), uploaded_at=ago(hours=1))
    changed(extracted(b"MSCF bad"), uploaded_at=ago(hours=1))

    assert extraction.sweep() == []


def test_a_forgotten_reservation_is_withdrawn_and_one_that_an_attempt_will_take_over_is_not() -> None:
    forgotten = reserve(make_package(state=Package.State.READY), "1.0")
    fresh = reserve(make_package(state=Package.State.READY), "2.0")
    active = make_package(state=Package.State.UPLOADED)
    waiting = reserve(active, "3.0", receipt=timezone.now())
    dead = reserve(active, "4.0")
    Update.objects.filter(pk__in=(forgotten.pk, waiting.pk, dead.pk)).update(imported_at=ago(hours=2))

    extraction.sweep()

    assert set(Update.objects.all()) == {fresh, waiting}


def test_a_file_that_cannot_be_deleted_holds_up_neither_lost_packages_nor_other_reservations(
    files_of_its_own: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stuck = reserve(make_package(), "1.0")
    forgotten = reserve(make_package(), "2.0")
    Update.objects.update(imported_at=ago(hours=2))
    obstacle = files_of_its_own / "store" / stuck.files.get().path
    obstacle.unlink()
    (obstacle / "kept").mkdir(parents=True)
    lost = changed(make_uploaded_package(PACKAGE), uploaded_at=ago(minutes=1))

    assert extraction.sweep() == [lost.pk]

    assert not Update.objects.filter(pk=forgotten.pk).exists()
    assert Update.objects.get() == stuck
    assert "not cleared away" in caplog.text
    (obstacle / "kept").rmdir()
    extraction.sweep()
    assert not Update.objects.exists()


def test_a_published_update_is_never_withdrawn() -> None:
    package = extracted(PACKAGE)
    Update.objects.update(imported_at=ago(days=400))

    extraction.sweep()

    assert package.updates.get().state == State.PENDING
    assert len(stored()) == 1


def test_old_scratch_files_go_and_young_ones_stay(files_of_its_own: Path) -> None:
    folder = files_of_its_own / "scratch"
    for name in ("extract/1-old/0", "extract/2-young/0", "uploads/old.part", "uploads/young.part"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"left")
    long_ago = timezone.now().timestamp() - 2 * 24 * 3600
    for name in ("extract/1-old", "uploads/old.part"):
        os.utime(folder / name, (long_ago, long_ago))

    extraction.sweep()

    left = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    assert left == ["extract/2-young/0", "uploads/young.part"]
