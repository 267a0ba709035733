"""Updates come to exist all together or not at all, and a version never changes its bytes."""

import hashlib
import io
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from devices.identity import DeviceTypeKey
from devices.models import DeviceType
from tests.builders import CX700, UpdateShape, make_package, make_update
from tests.updates.extraction.helpers import actions, bytes_at, states, stored
from updates import publishing
from updates.domain.findings import Finding
from updates.domain.lifecycle import State
from updates.models import Package, ServiceState, Update
from updates.publishing import Busy, NewUpdate, Reservation
from updates.store import SourceFile

pytestmark = pytest.mark.django_db

FIRST, SECOND = datetime(2030, 1, 1, tzinfo=UTC), datetime(2030, 1, 2, tzinfo=UTC)
IP8540 = DeviceTypeKey("UCPhone", "LG-Nortel", "IP8540", "A", "ENU")


def file(name: str = "CPE.nbt", content: bytes = b"image") -> SourceFile:
    digest = hashlib.sha256(content).hexdigest()
    return SourceFile(
        name=name, size=len(content), sha256=digest, modified=None, open=lambda: io.BytesIO(content)
    )


def new(
    version: str = "1.0.0.1",
    *,
    key: DeviceTypeKey = CX700,
    update_type: str = "CPE",
    content: bytes = b"image",
) -> NewUpdate:
    return NewUpdate(
        device_type=key, update_type=update_type, version=version, files=(file(content=content),)
    )


def reserve(
    *updates: NewUpdate, package: Package | None = None, receipt: datetime | None = None
) -> Reservation:
    return publishing.reserve(package or make_package(), updates, now=timezone.now(), receipt=receipt)


def publish(reservation: Reservation) -> list[Finding]:
    with transaction.atomic():
        return publishing.publish(reservation, by=None, now=timezone.now())


def imported(*updates: NewUpdate) -> Reservation:
    reservation = reserve(*updates)
    publishing.store_files(reservation)
    publish(reservation)
    return reservation


def stored_bytes(reservation: Reservation) -> bytes:
    return bytes_at(reservation.updates[0][0].files.get().path)


def test_a_reserved_update_is_nothing_that_anybody_sees_yet() -> None:
    reservation = reserve(new(), new(key=IP8540))

    assert set(states().values()) == {"importing"}
    assert len(reservation.updates) == 2
    assert actions() == stored() == []


def test_publishing_makes_all_of_it_pending_and_tells_every_process() -> None:
    ServiceState.objects.update_or_create(pk=1, defaults={"generation": 7})

    imported(new(), new(key=IP8540))

    assert set(states().values()) == {"pending"}
    assert actions() == ["imported", "imported"]
    assert ServiceState.objects.get().generation == 8
    assert len(stored()) == 2


def test_with_one_conflict_nothing_is_reserved_and_no_device_type_is_made() -> None:
    imported(new())

    reservation = reserve(new(content=b"forged"), new(key=IP8540))

    assert reservation.failed
    assert reservation.updates == []
    assert Update.objects.count() == 1
    assert not DeviceType.objects.filter(folded=IP8540.folded).exists()


def test_what_exists_with_the_same_bytes_is_said_and_the_rest_is_reserved() -> None:
    imported(new())

    reservation = reserve(new(), new(key=IP8540))

    assert [row.device_type.brand for row, _ in reservation.updates] == ["LG-Nortel"]
    (finding,) = reservation.findings
    assert (finding.level, finding.check) == ("warning", "duplicate")
    assert "exists already with the same files" in finding.message


def test_a_withdrawn_update_with_the_same_bytes_says_how_to_offer_it_again() -> None:
    make_update(shape=UpdateShape(state=State.REJECTED, version="1.0.0.1", files={"CPE.nbt": b"image"}))

    (finding,) = reserve(new()).findings

    assert "remove the existing update first" in finding.remedy


def test_a_version_in_another_spelling_of_its_update_type_is_the_same_version() -> None:
    imported(new())

    assert reserve(new(update_type="cpe")).findings[0].check == "duplicate"
    assert imported(new("2.0", update_type="cpe")).updates[0][0].update_type == "CPE"


def test_a_second_attempt_takes_over_what_the_first_reserved() -> None:
    package = make_package()
    first = reserve(new(), package=package, receipt=FIRST)
    publishing.store_files(first)

    second = reserve(new(), package=package, receipt=SECOND)

    assert Update.objects.get() == second.updates[0][0]
    with pytest.raises(Busy, match="taken over"):
        publish(first)
    publish(second)
    assert set(states().values()) == {"pending"}
    assert actions() == ["imported"]


def test_a_failing_second_attempt_still_knows_what_the_first_stored() -> None:
    package = make_package()
    publishing.store_files(reserve(new(), package=package, receipt=FIRST))
    imported(new("9.0"))

    assert reserve(new(), new("9.0", content=b"forged"), package=package, receipt=SECOND).failed

    publishing.withdraw(Update.objects.filter(package=package))
    assert [path.split("/")[5] for path in stored()] == ["9.0"]
    assert states() == {f"{CX700} CPE 9.0": "pending"}


def test_a_version_that_another_package_is_importing_is_busy() -> None:
    reserve(new())

    with pytest.raises(Busy, match="being imported"):
        reserve(new(key=IP8540), new())

    assert Update.objects.count() == 1


@pytest.mark.parametrize("receipt", [None, SECOND], ids=["another assignment", "an extraction"])
def test_what_an_assignment_of_the_same_package_is_importing_is_busy(receipt: datetime | None) -> None:
    package = make_package()
    first = reserve(new(), package=package)

    with pytest.raises(Busy, match="being imported"):
        reserve(new(content=b"other"), package=package, receipt=receipt)

    publishing.store_files(first)
    publish(first)
    assert stored_bytes(first) == b"image"


@pytest.mark.parametrize("receipt", [None, SECOND], ids=["another assignment", "an extraction"])
def test_what_a_dead_assignment_left_is_taken_over_and_no_file_of_it_remains(
    receipt: datetime | None,
) -> None:
    package = make_package()
    dead = NewUpdate(
        device_type=CX700,
        update_type="CPE",
        version="1.0.0.1",
        files=(file(), file("ring.wav", b"sound")),
    )
    publishing.store_files(reserve(dead, package=package))
    Update.objects.update(imported_at=timezone.now() - timedelta(hours=2))

    second = reserve(new(), package=package, receipt=receipt)

    publishing.store_files(second)
    publish(second)
    assert [path.split("/")[-1] for path in stored()] == ["CPE.nbt"]


def test_an_assignment_does_not_take_over_what_an_extraction_reserved() -> None:
    package = make_package()
    reserve(new(), package=package, receipt=FIRST)
    Update.objects.update(imported_at=timezone.now() - timedelta(hours=2))

    with pytest.raises(Busy, match="being imported"):
        reserve(new(), package=package)


def test_a_sign_of_life_is_refused_to_a_reservation_that_was_withdrawn() -> None:
    reservation = reserve(new())
    Update.objects.update(imported_at=timezone.now() - timedelta(hours=2))

    publishing.keep(reservation)
    assert Update.objects.get().imported_at > timezone.now() - timedelta(minutes=1)

    publishing.withdraw(Update.objects.all())
    with pytest.raises(Busy, match="withdrawn"):
        publishing.keep(reservation)


def test_abandoning_deletes_what_was_stored_but_not_what_belongs_to_another_update_by_now() -> None:
    lost = reserve(new(), new(key=IP8540))
    publishing.withdraw(Update.objects.all())
    winner = imported(new())
    publishing.store_files(Reservation(updates=[lost.updates[1]]))

    publishing.abandon(lost)

    assert stored() == [winner.updates[0][0].files.get().path]
    assert stored_bytes(winner) == b"image"


@pytest.mark.django_db(transaction=True)
def test_two_spellings_of_one_update_type_at_once_become_one() -> None:
    publishing.device_type_for(CX700)
    reserved = threading.Event()

    def first() -> None:
        with transaction.atomic():
            reserve(new("1.0"))
            reserved.set()
            # Time for the other one to look, and to find nothing yet.
            time.sleep(0.5)
        connection.close()

    def second() -> None:
        reserved.wait(timeout=10)
        reserve(new("2.0", update_type="cpe"))
        connection.close()

    with ThreadPoolExecutor(2) as pool:
        for future in [pool.submit(first), pool.submit(second)]:
            future.result()

    assert set(Update.objects.values_list("update_type", flat=True)) == {"CPE"}


@pytest.mark.django_db(transaction=True)
def test_of_two_reservations_of_one_version_at_once_one_is_busy() -> None:
    packages = [make_package(), make_package()]
    barrier = threading.Barrier(2)

    def attempt(package: Package) -> bool:
        try:
            barrier.wait(timeout=10)
            reserve(new(), package=package)
        except Busy:
            return False
        else:
            return True
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(attempt, packages)) == [False, True]

    assert Update.objects.count() == 1


def test_a_newer_import_supersedes_the_pending_update() -> None:
    imported(new("1.0"))

    assert publish(reserve(new("2.0"))) == []

    assert states() == {f"{CX700} CPE 1.0": "superseded", f"{CX700} CPE 2.0": "pending"}
    assert actions() == ["imported", "superseded", "imported"]


def test_a_lower_import_supersedes_the_pending_update_with_a_warning() -> None:
    imported(new("2.0"))

    (warning,) = publish(reserve(new("1.0")))

    assert warning.check == "version"
    assert "lower than 2.0" in warning.message
    assert states() == {f"{CX700} CPE 2.0": "superseded", f"{CX700} CPE 1.0": "pending"}


def test_an_import_leaves_the_approved_update_as_it_is() -> None:
    approved = make_update("1.0", State.APPROVED)

    imported(new("2.0"))

    approved.refresh_from_db()
    assert approved.state == State.APPROVED


def test_work_stops_where_the_callers_check_stops_it() -> None:
    reservation = reserve(new(), new(key=IP8540))
    calls: list[None] = []

    def check() -> None:
        calls.append(None)
        if len(calls) == 2:
            raise TimeoutError

    with pytest.raises(TimeoutError):
        publishing.store_files(reservation, before_each=check)

    assert len(stored()) == 1


def test_withdrawing_touches_nothing_that_was_published() -> None:
    published = imported(new())
    reservation = reserve(new(key=IP8540))
    publishing.store_files(reservation)

    publishing.withdraw(Update.objects.all())

    assert [row.pk for row, _ in published.updates] == [update.pk for update in Update.objects.all()]
    assert len(stored()) == 1
