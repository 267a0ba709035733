"""Trouble of the machine is no verdict: the package waits, says why, and is finished when the trouble is over."""

import errno
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import IO, Any, NamedTuple

import boto3
import pytest
from celery.exceptions import SoftTimeLimitExceeded
from celery.utils.time import get_exponential_backoff_interval
from django.core.files.storage import FileSystemStorage
from django.db import OperationalError, connection
from django.utils import timezone
from moto.server import ThreadedMotoServer
from pytest_django import Settings

from tests.builders import CX700, make_uploaded_package, member_path
from tests.cabs import cab
from tests.updates.extraction.helpers import (
    actions,
    extracted,
    extracted_again,
    findings,
    kept,
    scratch,
    states,
    stored,
)
from updates import extraction, publishing, store, tasks
from updates.extraction import claims
from updates.models import Package, Update
from updates.services import packages
from updates.store import StoreError

pytestmark = pytest.mark.django_db

MEMBERS = [
    (member_path("CPE.nbt"), b"image"),
    (member_path("CPE.cat"), b"signature"),
    ("readme.txt", b"hello"),
]
PACKAGE = cab(MEMBERS)


class InterruptedStorage(FileSystemStorage):
    """An update store during whose first write the worker is interrupted."""

    by: type[BaseException] | None = None

    def save(self, name: str | None, content: IO[Any], max_length: int | None = None) -> str:
        interruption, InterruptedStorage.by = InterruptedStorage.by, None
        if interruption is not None:
            raise interruption
        return super().save(name, content, max_length)


def break_the_store(folder: Path) -> Path:
    """A file where the store needs a folder; unlinking it mends the store."""
    obstacle = folder / "store" / "UCPhone"
    obstacle.parent.mkdir()
    obstacle.touch()
    return obstacle


def let_its_time_come(package: Package) -> None:
    Package.objects.filter(pk=package.pk).update(retry_at=timezone.now())


def test_a_sick_store_makes_the_package_wait_and_say_why(files_of_its_own: Path) -> None:
    break_the_store(files_of_its_own)
    package = make_uploaded_package(PACKAGE)

    with pytest.raises(OSError, match="UCPhone"):
        extraction.extract(package.pk)

    package.refresh_from_db()
    assert (package.state, package.attempts, package.claimed_at) == (Package.State.UPLOADED, 1, None)
    finding = package.findings.get()
    assert (finding.level, finding.check_name) == ("warning", "attempts")
    assert "Attempt 1 of 5" in finding.message
    assert "UCPhone" in finding.message
    assert actions() == ["package_uploaded"]
    assert scratch() == []


def test_it_is_finished_once_the_store_is_well(files_of_its_own: Path) -> None:
    obstacle = break_the_store(files_of_its_own)
    package = make_uploaded_package(PACKAGE)
    with pytest.raises(OSError, match="UCPhone"):
        extraction.extract(package.pk)
    obstacle.unlink()
    let_its_time_come(package)

    extracted_again(package)

    assert (package.state, package.attempts) == (Package.State.READY, 2)
    assert set(states().values()) == {"pending"}
    assert len(stored()) == 2
    assert "attempts" not in {check for check, _ in findings(package)}


def test_nobody_takes_it_before_its_time(files_of_its_own: Path) -> None:
    obstacle = break_the_store(files_of_its_own)
    package = make_uploaded_package(PACKAGE)
    with pytest.raises(OSError, match="UCPhone"):
        extraction.extract(package.pk)
    obstacle.unlink()

    extracted_again(package)

    assert (package.state, package.attempts) == (Package.State.UPLOADED, 1)
    assert package.retry_at is not None
    assert package.retry_at > timezone.now() + timedelta(seconds=extraction.RETRY_SECONDS - 5)


def test_a_retry_of_the_task_that_comes_too_early_does_no_harm(files_of_its_own: Path) -> None:
    break_the_store(files_of_its_own)
    package = make_uploaded_package(PACKAGE)

    # In one process the retry follows at once.
    tasks.extract_package.apply(kwargs={"package_id": package.pk}).get()

    package.refresh_from_db()
    assert (package.state, package.attempts) == (Package.State.UPLOADED, 1)


def test_the_task_is_retried_when_the_row_is_due() -> None:
    first, most = extraction.RETRY_SECONDS, extraction.RETRY_MOST_SECONDS

    for retries in range(8):
        delay = get_exponential_backoff_interval(first, retries, most)
        assert timedelta(seconds=delay) == claims.retry_delay(retries + 1)


def test_delays_grow_to_an_end() -> None:
    assert [claims.retry_delay(attempt).total_seconds() for attempt in (1, 2, 3, 20)] == [15, 30, 60, 600]


def test_after_the_last_attempt_the_package_fails_and_what_it_reserved_is_gone(
    files_of_its_own: Path, settings: Settings
) -> None:
    settings.DUS_MAX_ATTEMPTS = 2
    obstacle = break_the_store(files_of_its_own)
    package = make_uploaded_package(PACKAGE)
    for _ in range(2):
        with pytest.raises(OSError, match="UCPhone"):
            extraction.extract(package.pk)
        let_its_time_come(package)
    assert set(states().values()) == {"importing"}
    obstacle.unlink()

    extracted_again(package)

    assert package.state == Package.State.FAILED
    assert findings(package) == [("attempts", ""), ("attempts", "")]
    verdict = package.findings.get(level="failure")
    assert "2 attempts" in verdict.message
    assert "memory" in verdict.remedy
    assert Update.objects.count() == 0
    assert stored() == kept() == scratch() == []
    assert actions() == ["package_uploaded", "package_failed"]


def test_retrying_a_package_that_was_given_up_starts_its_attempts_anew(settings: Settings) -> None:
    settings.DUS_MAX_ATTEMPTS = 1
    package = make_uploaded_package(PACKAGE)
    Package.objects.filter(pk=package.pk).update(attempts=1)
    assert extracted_again(package).state == Package.State.FAILED

    assert packages.examine_again(package, by=None, queue=False)

    assert extracted_again(package).state == Package.State.READY


def test_a_worker_that_dies_again_and_again_takes_the_package_with_it_only_so_often() -> None:
    package = make_uploaded_package(PACKAGE)
    for _ in range(5):
        assert claims.take(package.pk) is not None
        Package.objects.filter(pk=package.pk).update(lease_until=timezone.now() - timedelta(seconds=1))

    assert extraction.sweep() == [package.pk]
    assert extracted_again(package).state == Package.State.FAILED


@pytest.mark.parametrize(
    ("interruption", "attempts"), [(KeyboardInterrupt, 0), (SystemExit, 0), (SoftTimeLimitExceeded, 1)]
)
def test_an_interrupted_worker_gives_the_package_back(
    settings: Settings, interruption: type[BaseException], attempts: int
) -> None:
    backend = f"{__name__}.InterruptedStorage"
    settings.STORAGES = settings.STORAGES | {"updates": settings.STORAGES["updates"] | {"BACKEND": backend}}
    package = make_uploaded_package(PACKAGE)
    InterruptedStorage.by = interruption

    with pytest.raises(interruption):
        extraction.extract(package.pk)

    package.refresh_from_db()
    assert (package.state, package.attempts) == (Package.State.UPLOADED, attempts)
    assert scratch() == []
    let_its_time_come(package)
    assert extracted_again(package).state == Package.State.READY


def test_a_version_that_another_package_imports_at_the_moment_is_waited_for() -> None:
    other = make_uploaded_package(cab([(member_path(), b"other")]))
    assert claims.take(other.pk) is not None
    reserved = publishing.NewUpdate(device_type=CX700, update_type="CPE", version="1.0.522.101", files=())
    publishing.reserve(other, [reserved], now=timezone.now())
    package = make_uploaded_package(PACKAGE)

    with pytest.raises(publishing.Busy):
        extraction.extract(package.pk)

    package.refresh_from_db()
    # Waiting is no failed attempt: the other package may take long.
    assert (package.state, package.attempts) == (Package.State.UPLOADED, 0)
    assert Update.objects.get().package == other


def no_writes(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
    """A database that cannot be written to any more."""
    if sql.startswith(("UPDATE", "INSERT", "DELETE")):
        raise OperationalError("disk I/O error")
    return execute(sql, *rest)


class LastWriteStorage(FileSystemStorage):
    """An update store with whose next write the database goes away, until `trouble` ends."""

    trouble: ExitStack | None = None

    def save(self, name: str | None, content: IO[Any], max_length: int | None = None) -> str:
        trouble, LastWriteStorage.trouble = LastWriteStorage.trouble, None
        if trouble is not None:
            trouble.enter_context(connection.execute_wrapper(no_writes))
        return super().save(name, content, max_length)


@pytest.mark.django_db(transaction=True)
def test_when_the_database_fails_too_the_lease_brings_the_package_back(settings: Settings) -> None:
    backend = f"{__name__}.LastWriteStorage"
    settings.STORAGES = settings.STORAGES | {"updates": settings.STORAGES["updates"] | {"BACKEND": backend}}
    package = make_uploaded_package(PACKAGE)

    with ExitStack() as trouble:
        LastWriteStorage.trouble = trouble
        with pytest.raises(OperationalError):
            extraction.extract(package.pk)

    package.refresh_from_db()
    assert package.state == Package.State.EXTRACTING
    Package.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert extracted_again(package).state == Package.State.READY


@pytest.mark.django_db(transaction=True)
def test_a_heartbeat_outlives_a_database_that_is_away_for_a_moment() -> None:
    claim = claims.take(make_uploaded_package(PACKAGE).pk)
    assert claim is not None

    with connection.execute_wrapper(no_writes):
        claims.Heartbeat(claim)._renew()

    claim.renew()


class Usage(NamedTuple):
    total: int
    used: int
    free: int


def test_a_disk_without_room_is_told_before_it_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: Usage(100, 97, 3))
    package = make_uploaded_package(PACKAGE)

    with pytest.raises(OSError, match="more bytes, 3 are free") as error:
        extraction.extract(package.pk)

    assert error.value.errno == errno.ENOSPC
    package.refresh_from_db()
    assert package.state == Package.State.UPLOADED
    assert scratch() == []


def test_a_package_that_is_missing_in_the_storage_waits(files_of_its_own: Path) -> None:
    package = make_uploaded_package(PACKAGE)
    (files_of_its_own / "packages" / package.stored_as).unlink()

    with pytest.raises(FileNotFoundError):
        extraction.extract(package.pk)

    package.refresh_from_db()
    assert package.state == Package.State.UPLOADED


@pytest.fixture(scope="module")
def s3_address() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(s3_address: str, settings: Settings, request: pytest.FixtureRequest) -> str:
    """Both storages in a bucket of an S3 server; gives the address of the server."""
    account = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
    boto3.resource("s3", endpoint_url=s3_address, **account).create_bucket(Bucket="dus")
    options = {
        "bucket_name": "dus",
        "endpoint_url": s3_address,
        "region_name": "us-east-1",
        "access_key": "test",
        "secret_key": "test",
        "file_overwrite": False,
        "default_acl": None,
    }
    backend = "storages.backends.s3.S3Storage"
    settings.STORAGES = settings.STORAGES | {
        name: {"BACKEND": backend, "OPTIONS": options | {"location": f"{request.node.name}/{name}"}}
        for name in ("default", "updates")
    }
    return s3_address


def test_packages_and_updates_may_live_in_an_object_store(s3: str) -> None:
    package = extracted(PACKAGE)

    assert package.state == Package.State.READY
    update = Update.objects.get()
    with store.storage().open(f"{update.folder}/CPE.nbt") as file:
        assert file.read() == b"image"
    assert scratch() == []


def test_a_package_that_an_object_store_damaged_waits(s3: str, request: pytest.FixtureRequest) -> None:
    package = make_uploaded_package(PACKAGE)
    account = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
    key = f"{request.node.name}/default/{package.stored_as}"
    boto3.resource("s3", endpoint_url=s3, **account).Object("dus", key).put(Body=PACKAGE[:-1])

    with pytest.raises(StoreError, match="other bytes"):
        extraction.extract(package.pk)

    package.refresh_from_db()
    assert package.state == Package.State.UPLOADED
