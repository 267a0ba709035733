"""Whatever happens to a worker, a package is finished exactly once. Real workers, killed and frozen at work."""

import hashlib
import io
import random
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from celery import Celery
from django.db import connection

from devices.identity import DeviceTypeKey
from tests.builders import make_uploaded_package, member_path
from tests.e2e.processes import Process, Service, alive, eventually, free_port
from tests.updates.extraction.helpers import actions, findings, kept, scratch, stored
from updates import store
from updates.cabinet.writer import write_cabinet
from updates.models import Package, Update, UpdateFile

pytestmark = [pytest.mark.e2e, pytest.mark.django_db(transaction=True)]

UPDATES = 30
FILE_BYTES = 3 << 20
# Seconds; a machine that does much else at the same time needs most of them.
FINISHED_WITHIN = 60


@pytest.fixture
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a broker of this test's own."""
    if request.param == "filesystem":
        yield "filesystem://"
        return
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("redis-server is not installed")
    port = free_port()
    server = Service(tmp_path / "redis")
    server.start("redis", program, "--port", str(port), "--bind", "127.0.0.1", "--save", "")

    def answers() -> bool:
        try:
            with redis.Redis(port=port) as client:
                return bool(client.ping())
        except redis.ConnectionError:
            return False

    assert eventually(answers, within=10), server.logs()
    yield f"redis://127.0.0.1:{port}/0"
    server.close()


@pytest.fixture
def service(broker: str, files_of_its_own: Path, transactional_db: None) -> Iterator[Service]:
    """Workers on this test's database and files, with short leases."""
    environment = {"DUS_BROKER_URL": broker, "DUS_LEASE_SECONDS": "2", "DUS_SWEEP_SECONDS": "1"}
    running = Service(files_of_its_own, environment)
    running.make_folders()
    yield running
    running.close()
    print(running.logs())  # noqa: T201 - pytest shows it with a failure
    # pytest keeps the folders of its last runs, and these are large.
    for folder in ("packages", "store"):
        shutil.rmtree(files_of_its_own / folder, ignore_errors=True)


on_each_broker = pytest.mark.parametrize(
    "broker", ["filesystem", pytest.param("redis", marks=pytest.mark.services)], indirect=True
)
on_the_filesystem = pytest.mark.parametrize("broker", ["filesystem"], indirect=True)


def uploaded(seed: int = 1) -> Package:
    """A package that takes a worker a second or two, with many updates and an unassigned file."""
    dice = random.Random(seed)
    members = [("readme.txt", b"hello")]
    for number in range(UPDATES):
        key = DeviceTypeKey("UCPhone", "Polycom", f"CX{number}", "A", "ENU")
        members.append((member_path("CPE.nbt", key=key), dice.randbytes(FILE_BYTES)))
        members.append((member_path("CPE.cat", key=key), dice.randbytes(3000)))
    target = io.BytesIO()
    write_cabinet(target, members, method="none")
    return make_uploaded_package(target.getvalue())


def state(package: Package) -> str:
    package.refresh_from_db()
    return package.state


def is_claimed(package: Package) -> bool:
    return state(package) == Package.State.EXTRACTING


def is_unpacking(package: Package) -> bool:
    return is_claimed(package) and package.done_bytes > 0


def has_reserved(_package: Package) -> bool:
    return Update.objects.filter(state="importing").exists()


def has_stored_half(_package: Package) -> bool:
    return len(stored()) >= UPDATES


def has_stored_all(_package: Package) -> bool:
    return len(stored()) == 2 * UPDATES


def freeze_when(reached: Callable[[Package], bool], package: Package, worker: Process) -> None:
    """Freezes the worker the moment it has got so far, so that what is killed or overtaken is known to be there."""
    assert eventually(lambda: reached(package), within=FINISHED_WITHIN, pause=0.001), worker.output()
    worker.freeze()


def assert_finished_once(package: Package) -> None:
    assert eventually(lambda: state(package) == Package.State.READY, within=FINISHED_WITHIN), findings(
        package
    )
    assert list(Update.objects.values_list("state", flat=True)) == ["pending"] * UPDATES
    assert sorted(actions()) == ["imported"] * UPDATES + ["package_uploaded"]
    files = list(UpdateFile.objects.all())
    assert sorted(file.path for file in files) == stored()
    assert len(files) == 2 * UPDATES
    assert all(digest(file.path) == file.sha256 for file in files)
    assert package.unassigned_files.count() == len(kept()) == 1
    assert eventually(lambda: scratch() == [], within=5), scratch()


def digest(path: str) -> str:
    with store.storage().open(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def queued(package: Package, service: Service) -> Package:
    """Tells the workers of the package, as an upload does."""
    app = Celery("uploads", broker=service.environment["DUS_BROKER_URL"])
    if app.conf.broker_url.startswith("filesystem"):
        folder = str(service.state / "queue" / "messages")
        app.conf.broker_transport_options = {
            "data_folder_in": folder,
            "data_folder_out": folder,
            "control_folder": str(service.state / "queue" / "control"),
        }
    app.send_task("updates.tasks.extract_package", kwargs={"package_id": package.pk}, queue="dus")
    app.close()
    return package


@on_the_filesystem
@pytest.mark.parametrize("reached", [is_claimed, is_unpacking, has_reserved, has_stored_half, has_stored_all])
def test_a_package_whose_worker_is_killed_is_finished_exactly_once(
    service: Service, reached: Callable[[Package], bool]
) -> None:
    package = queued(uploaded(), service)
    worker = service.worker()
    freeze_when(reached, package, worker)
    assert state(package) == Package.State.EXTRACTING
    children = worker.descendants()

    worker.kill()
    service.worker()

    assert_finished_once(package)
    assert package.attempts >= 2
    # The decoder has a session of its own, and ends with the pipe it writes to.
    assert alive(children) == []


@on_each_broker
@pytest.mark.parametrize("seed", [1, 2])
def test_a_package_whose_workers_are_killed_again_and_again_is_finished_exactly_once(
    service: Service, seed: int
) -> None:
    dice = random.Random(seed)
    package = queued(uploaded(seed), service)
    for _ in range(2):
        worker = service.worker()
        assert eventually(lambda: is_claimed(package), within=FINISHED_WITHIN, pause=0.01)
        time.sleep(dice.uniform(0, 0.4))
        worker.kill()
        if state(package) == Package.State.READY:
            break
    service.worker()

    assert_finished_once(package)


@on_each_broker
def test_a_worker_given_up_for_dead_leaves_the_work_of_its_successor_alone(service: Service) -> None:
    package = queued(uploaded(), service)
    frozen = service.worker()
    freeze_when(is_unpacking, package, frozen)
    service.worker()
    assert_finished_once(package)

    frozen.thaw()

    assert eventually(lambda: "went to another worker" in frozen.output(), within=10)
    assert_finished_once(package)


@pytest.mark.services
@pytest.mark.parametrize("broker", ["redis"], indirect=True)
def test_a_worker_frozen_while_it_stores_leaves_the_work_of_its_successor_alone(service: Service) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("a frozen process may hold the lock of the whole SQLite database")
    package = queued(uploaded(), service)
    frozen = service.worker()
    freeze_when(has_stored_half, package, frozen)
    service.worker()
    assert_finished_once(package)

    frozen.thaw()

    assert eventually(lambda: "went to another worker" in frozen.output(), within=10)
    assert_finished_once(package)


@on_the_filesystem
def test_a_package_whose_message_was_lost_is_found_by_the_sweep(service: Service) -> None:
    package = uploaded()

    service.worker()

    assert_finished_once(package)
    assert package.attempts == 1
