"""Uploads are taken whole or not at all, once; files without a device type become updates by hand."""

import hashlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import IO, Any, ClassVar

import pytest
from django.core.files.storage import FileSystemStorage
from django.db import connection
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from devices.wording import plain
from tests.builders import CX700, make_uploaded_package, make_user, member_path
from tests.cabs import cab
from tests.updates.extraction.helpers import bytes_at, extracted, findings, scratch, states, stored
from updates import publishing, tasks
from updates.authorisation import NotPermittedError
from updates.domain.findings import Finding, Level
from updates.extraction import claims, verdicts
from updates.models import LedgerEntry, Package, Update
from updates.services import packages
from updates.services.packages import Assignment, AssignmentError, Upload, UploadError

pytestmark = pytest.mark.django_db

CONTENT = cab([("CPE.nbt", b"image"), ("CPE.cat", b"signature"), ("other/CPE.nbt", b"other image")])


def upload(content: bytes = CONTENT, *, file_name: str = "package.cab") -> Upload:
    return Upload(file_name=file_name, chunks=[content[:10], content[10:]], announced_size=len(content))


def kept_packages(folder: Path) -> list[str]:
    return [path.name for path in (folder / "packages").rglob("*.cab")]


def assignment(package: Package, *names: str, version: str = "4.0.7577.4066") -> Assignment:
    return Assignment(
        package_id=package.pk,
        file_ids=list(package.unassigned_files.filter(name__in=names).values_list("pk", flat=True)),
        device_type=CX700,
        update_type="CPE",
        version=version,
    )


@pytest.fixture
def queued(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What was handed to the queue, which is somebody else's."""
    messages: list[dict[str, Any]] = []
    monkeypatch.setattr(tasks.extract_package, "delay", lambda **message: messages.append(message))
    return messages


def test_an_upload_is_kept_with_its_hash_and_handed_to_the_workers(
    files_of_its_own: Path,
    queued: list[dict[str, Any]],
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    mina = make_user("updates.add_package", name="mina")

    with django_capture_on_commit_callbacks(execute=True):
        submission = packages.submit(upload(file_name="C:\\fakepath\\new\n.cab"), by=mina)
        assert queued == []

    package = submission.package
    assert submission.is_new
    assert (package.file_name, package.size, package.state) == ("new.cab", len(CONTENT), "uploaded")
    assert kept_packages(files_of_its_own) == [f"{package.sha256}.cab"]
    assert queued == [{"package_id": package.pk}]
    assert scratch() == []
    entry = LedgerEntry.objects.get()
    assert (entry.action, entry.actor_name, entry.after) == ("package_uploaded", "mina", package.sha256)


def test_the_same_bytes_again_lead_to_the_package_that_exists(
    files_of_its_own: Path, queued: list[dict[str, Any]]
) -> None:
    first = packages.submit(upload(), by=None)

    second = packages.submit(upload(file_name="renamed.cab"), by=None)

    assert second.package == first.package
    assert not second.is_new
    assert second.package.file_name == "package.cab"
    assert len(kept_packages(files_of_its_own)) == LedgerEntry.objects.count() == 1


def cancelled() -> Iterator[bytes]:
    yield CONTENT[:10]
    raise ConnectionResetError("the browser went away")


@pytest.mark.parametrize(
    ("given", "error"),
    [
        pytest.param(Upload(file_name="a.cab", chunks=cancelled()), ConnectionResetError, id="cancelled"),
        pytest.param(Upload(file_name="a.cab", chunks=[b"x" * 2048]), UploadError, id="too large"),
        pytest.param(
            Upload(file_name="a.cab", chunks=[b"x"], announced_size=2), UploadError, id="broken off"
        ),
    ],
)
def test_of_an_upload_that_is_not_whole_nothing_remains(
    files_of_its_own: Path,
    settings: Settings,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
    given: Upload,
    error: type[Exception],
) -> None:
    settings.DUS_UPLOAD_MAX_BYTES = 2047

    with django_capture_on_commit_callbacks() as callbacks, pytest.raises(error):
        packages.submit(given, by=None)

    assert Package.objects.count() == LedgerEntry.objects.count() == 0
    assert kept_packages(files_of_its_own) == scratch() == []
    assert callbacks == []


def test_without_the_permission_not_a_byte_is_taken(files_of_its_own: Path) -> None:
    chunks = iter([CONTENT])

    with pytest.raises(NotPermittedError):
        packages.submit(Upload(file_name="a.cab", chunks=chunks), by=make_user())

    assert next(chunks) == CONTENT
    assert Package.objects.count() == 0
    assert kept_packages(files_of_its_own) == []


def test_a_sick_storage_takes_no_package(files_of_its_own: Path) -> None:
    (files_of_its_own / "packages").touch()

    with pytest.raises(OSError, match="packages"):
        packages.submit(upload(), by=None)

    assert Package.objects.count() == 0
    assert scratch() == []


@pytest.mark.django_db(transaction=True)
def test_of_the_same_bytes_uploaded_many_times_at_once_one_package_comes(files_of_its_own: Path) -> None:
    barrier = threading.Barrier(4)

    def submit(_number: int) -> packages.Submission:
        try:
            barrier.wait(timeout=10)
            return packages.submit(upload(), by=None, queue=False)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        submissions = list(pool.map(submit, range(4)))

    assert len({submission.package.pk for submission in submissions}) == 1
    assert [submission.is_new for submission in submissions].count(True) == 1
    assert len(kept_packages(files_of_its_own)) == LedgerEntry.objects.count() == 1
    assert scratch() == []


def test_only_a_package_that_is_done_is_examined_again() -> None:
    package = make_uploaded_package(CONTENT)
    assert not packages.examine_again(package, by=None, queue=False)

    extracted(CONTENT)

    assert packages.examine_again(package, by=None, queue=False)
    package.refresh_from_db()
    assert (package.state, package.attempts, package.finished_at) == ("uploaded", 0, None)


def test_examining_again_needs_the_permission() -> None:
    package = extracted(CONTENT)

    with pytest.raises(NotPermittedError):
        packages.examine_again(package, by=make_user(), queue=False)

    package.refresh_from_db()
    assert package.state == Package.State.READY


def test_chosen_files_become_a_pending_update_and_cannot_be_chosen_twice() -> None:
    package = extracted(CONTENT)
    wanted = assignment(package, "CPE.nbt", "CPE.cat")

    update = packages.assign(wanted, by=None)

    assert states() == {f"{CX700} CPE 4.0.7577.4066": "pending"}
    assert {file.name for file in update.files.all()} == {"CPE.nbt", "CPE.cat"}
    with pytest.raises(AssignmentError, match="not assigned yet"):
        packages.assign(wanted, by=None)


@pytest.mark.parametrize(
    ("names", "reason"),
    [((), "Choose files"), (("CPE.nbt", "other/CPE.nbt"), "holds each name once")],
    ids=["nothing chosen", "one name twice"],
)
def test_a_choice_that_makes_no_update_is_refused(names: tuple[str, ...], reason: str) -> None:
    package = extracted(CONTENT)

    with pytest.raises(AssignmentError, match=reason):
        packages.assign(assignment(package, *names), by=None)

    assert Update.objects.count() == 0
    assert stored() == []


def test_a_version_that_exists_with_other_files_is_not_assigned_again() -> None:
    package = extracted(CONTENT)
    packages.assign(assignment(package, "CPE.nbt"), by=None)

    with pytest.raises(AssignmentError, match="never changes its bytes"):
        packages.assign(assignment(package, "other/CPE.nbt"), by=None)

    assert Update.objects.count() == 1
    assert package.unassigned_files.get(name="other/CPE.nbt").update is None


def test_files_of_another_package_are_not_assigned() -> None:
    package = extracted(CONTENT)
    other = extracted(cab([("CPE.nbt", b"image")]))
    wanted = assignment(package, "CPE.nbt")

    with pytest.raises(AssignmentError):
        packages.assign(
            Assignment(
                package_id=other.pk,
                file_ids=wanted.file_ids,
                device_type=CX700,
                update_type="CPE",
                version="1.0",
            ),
            by=None,
        )

    assert Update.objects.count() == 0


def test_assigning_needs_the_permission() -> None:
    package = extracted(CONTENT)

    with pytest.raises(NotPermittedError):
        packages.assign(assignment(package, "CPE.nbt"), by=make_user())

    assert Update.objects.count() == 0


def test_an_assignment_that_a_sick_store_stopped_offers_nothing_and_may_be_made_again(
    files_of_its_own: Path,
) -> None:
    package = extracted(CONTENT)
    wanted = assignment(package, "CPE.nbt")
    obstacle = files_of_its_own / "store" / "UCPhone"
    obstacle.touch()

    with pytest.raises(OSError, match="UCPhone"):
        packages.assign(wanted, by=None)

    assert "pending" not in states().values()
    assert not package.unassigned_files.filter(update__isnull=False).exists()
    obstacle.unlink()
    assert packages.assign(wanted, by=None).state == "pending"


class BetweenWrites(FileSystemStorage):
    """An update store in which something else happens once, before the first write."""

    happens: ClassVar[list[Callable[[], object]]] = []

    def save(self, name: str | None, content: IO[Any], max_length: int | None = None) -> str:
        while self.happens:
            self.happens.pop()()
        return super().save(name, content, max_length)


@pytest.fixture
def between_writes(settings: Settings) -> Iterator[list[Callable[[], object]]]:
    backend = f"{__name__}.BetweenWrites"
    settings.STORAGES = settings.STORAGES | {"updates": settings.STORAGES["updates"] | {"BACKEND": backend}}
    BetweenWrites.happens.clear()
    yield BetweenWrites.happens
    BetweenWrites.happens.clear()


def stored_sha256(update: Update) -> list[str]:
    paths = update.files.values_list("path", flat=True)
    return [hashlib.sha256(bytes_at(path)).hexdigest() for path in paths]


def test_of_two_assignments_of_one_version_at_once_the_first_keeps_its_bytes(
    between_writes: list[Callable[[], object]],
) -> None:
    package = extracted(CONTENT)

    def another() -> None:
        with pytest.raises(AssignmentError, match="Try again in a moment"):
            packages.assign(assignment(package, "other/CPE.nbt"), by=None)

    between_writes.append(another)
    update = packages.assign(assignment(package, "CPE.nbt"), by=None)

    assert update.state == "pending"
    assert stored_sha256(update) == list(update.files.values_list("sha256", flat=True))


def test_an_assignment_goes_on_when_its_package_is_examined_again_and_fails(
    between_writes: list[Callable[[], object]],
) -> None:
    package = extracted(CONTENT)

    def fail() -> None:
        packages.examine_again(package, by=None, queue=False)
        claim = claims.take(package.pk)
        assert claim is not None
        verdicts.fail(claim, package, [Finding(Level.FAILURE, "cabinet", "", plain("bad"))])

    between_writes.append(fail)
    update = packages.assign(assignment(package, "CPE.nbt", "CPE.cat"), by=None)

    assert update.state == "pending"
    assert len(stored()) == 2


def test_an_assignment_that_was_given_up_for_dead_writes_no_more_and_leaves_no_file(
    between_writes: list[Callable[[], object]],
) -> None:
    package = extracted(CONTENT)
    between_writes.append(lambda: publishing.withdraw(Update.objects.all()))

    with pytest.raises(AssignmentError, match="withdrawn"):
        packages.assign(assignment(package, "CPE.nbt", "CPE.cat"), by=None)

    assert not Update.objects.exists()
    assert stored() == []


def test_a_version_that_is_being_imported_is_to_be_tried_again_in_a_moment() -> None:
    other = make_uploaded_package(cab([(member_path(), b"image")]))
    new = publishing.NewUpdate(device_type=CX700, update_type="CPE", version="4.0.7577.4066", files=())
    publishing.reserve(other, [new], now=timezone.now() - timedelta(minutes=1))
    package = extracted(CONTENT)

    with pytest.raises(AssignmentError, match="Try again in a moment"):
        packages.assign(assignment(package, "CPE.nbt"), by=None)

    assert Update.objects.get().package == other
    assert findings(package, "failure") == []
