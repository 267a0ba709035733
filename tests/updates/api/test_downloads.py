"""Downloads through the inside door."""

import hashlib
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import OperationalError, connection
from django.test import Client
from django.utils import timezone
from pytest_django import Settings
from pytest_django.fixtures import DjangoAssertNumQueries

from devices.models import Device
from tests.builders import UpdateShape, make_device, make_update
from tests.updates.api.phone import Phone, a_check, body_of, error_of, put_in_store
from updates.domain.lifecycle import State
from updates.models import Delivery, Update

pytestmark = pytest.mark.django_db

IMAGE = b"".join(number.to_bytes(4) for number in range(1 << 18))
FILES = {"CPE.nbt": IMAGE, "CPE.cat": b"catalogue"}
ETAG = f'"{hashlib.sha256(IMAGE).hexdigest()}"'


def an_update(state: State = State.APPROVED, files: dict[str, bytes] = FILES) -> Update:
    update = make_update(shape=UpdateShape(state=state, files=files))
    put_in_store(update, files)
    return update


def url(update: Update, name: str = "CPE.nbt") -> str:
    return f"/DeviceUpdateFiles_Int/{update.folder}/{name}"


def test_a_file_is_sent_whole_with_what_a_device_needs_to_keep_and_check_it(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    update = an_update()
    with django_assert_num_queries(1):
        response = Phone().get(url(update))
    assert response.status_code == 200
    assert body_of(response) == IMAGE
    assert response["Content-Length"] == str(len(IMAGE))
    assert response["Content-Type"] == "application/octet-stream"
    assert response["ETag"] == ETAG
    assert response["Accept-Ranges"] == "bytes"
    assert response["Cache-Control"] == "public, max-age=31536000, immutable"
    assert response["X-Content-Type-Options"] == "nosniff"


def test_the_signature_of_a_file_can_be_fetched_too() -> None:
    assert body_of(Phone().get(url(an_update(), "CPE.cat"))) == b"catalogue"


def test_head_says_what_get_would_and_sends_nothing() -> None:
    response = Phone().get(url(an_update()), "HEAD")
    assert (response.status_code, response["Content-Length"], response["ETag"]) == (
        200,
        str(len(IMAGE)),
        ETAG,
    )
    assert body_of(response) == b""


@pytest.mark.parametrize(
    ("header", "first", "last"),
    [
        ("bytes=0-9", 0, 9),
        ("bytes=1000000-", 1_000_000, len(IMAGE) - 1),
        ("bytes=-7", len(IMAGE) - 7, len(IMAGE) - 1),
        ("bytes=300000-900000", 300_000, 900_000),
    ],
)
def test_a_range_is_sent_as_one(header: str, first: int, last: int) -> None:
    response = Phone().get(url(an_update()), Range=header)
    assert response.status_code == 206
    assert body_of(response) == IMAGE[first : last + 1]
    assert response["Content-Length"] == str(last + 1 - first)
    assert response["Content-Range"] == f"bytes {first}-{last}/{len(IMAGE)}"


def test_several_ranges_are_answered_with_the_whole_file() -> None:
    response = Phone().get(url(an_update()), Range="bytes=0-1,5-6")
    assert response.status_code == 200
    assert body_of(response) == IMAGE


def test_a_range_behind_the_end_is_refused_and_the_size_is_said() -> None:
    response = Phone().get(url(an_update()), Range=f"bytes={len(IMAGE)}-")
    assert error_of(response).code == "range_not_satisfiable"
    assert response["Content-Range"] == f"bytes */{len(IMAGE)}"


def test_a_download_goes_on_only_with_the_bytes_it_began_with() -> None:
    update = an_update()
    same = Phone().get(url(update), Range="bytes=10-", **{"If-Range": ETAG})
    assert (same.status_code, body_of(same)) == (206, IMAGE[10:])
    other = Phone().get(url(update), Range="bytes=10-", **{"If-Range": '"other"'})
    assert (other.status_code, body_of(other)) == (200, IMAGE)


def test_a_device_that_has_the_file_is_told_so() -> None:
    response = Phone().get(url(an_update()), **{"If-None-Match": ETAG})
    assert response.status_code == 304
    assert response["ETag"] == ETAG
    assert body_of(response) == b""


def test_the_alias_of_the_later_releases_serves_the_same_files() -> None:
    update = an_update()
    assert body_of(Phone().get(f"/RequestHandler/Files/{update.folder}/CPE.nbt")) == IMAGE


@pytest.mark.parametrize("state", [State.PENDING, State.APPROVED, State.SUPERSEDED])
def test_files_of_updates_that_are_or_were_offered_are_sent(state: State) -> None:
    assert body_of(Phone().get(url(an_update(state)))) == IMAGE


def test_files_of_a_rejected_update_are_gone() -> None:
    assert error_of(Phone().get(url(an_update(State.REJECTED)))).code == "withdrawn"


def test_files_that_were_cleared_are_gone() -> None:
    update = an_update(State.SUPERSEDED)
    Update.objects.update(files_cleared_at=timezone.now())
    assert error_of(Phone().get(url(update))).status == 410


def test_files_that_are_being_imported_are_not_there_yet() -> None:
    assert error_of(Phone().get(url(an_update(State.IMPORTING)))).status == 404


@pytest.mark.parametrize(
    "path",
    [
        "/DeviceUpdateFiles_Int/nothing",
        "/DeviceUpdateFiles_Int/%3Cscript%3E",
        "/DeviceUpdateFiles_Int/../../database.sqlite3",
        "/DeviceUpdateFiles_Int/%2e%2e/%2e%2e/database.sqlite3",
        "/DeviceUpdateFiles_Int/UCPhone/Polycom/CX700/A/ENU/1.0.522.101/CPE/../CPE/CPE.nbt",
        "/DeviceUpdateFiles_Int/UCPhone/Polycom/CX700/A/ENU/1.0.522.101/CPE//CPE.nbt",
        "/DeviceUpdateFiles_Int/UCPhone/Polycom/CX700/A/ENU/1.0.522.101/CPE/",
        "/DeviceUpdateFiles_Int/UCPhone/Polycom/CX700/A/ENU/1.0.522.101/CPE/CPE%252enbt",
        "/DeviceUpdateFiles_Int/a%00b",
        "/DeviceUpdateFiles_Int/%ff%fe",
        "/DeviceUpdateFiles_Int/%25",
        "/DeviceUpdateFiles_Int/_____________________________________________________",
        "/DeviceUpdateFiles_Int/" + "a" * 60_000,
        "/DeviceUpdateFiles_Int/" + "_" * 701,
    ],
)
def test_any_other_path_is_nowhere_and_not_repeated(path: str) -> None:
    an_update()
    error = error_of(Phone().get(path))
    assert error.status == 404
    assert error.message == "There is no such file."


def test_a_path_is_decoded_once() -> None:
    update = an_update(files={"a b%41.nbt": IMAGE})
    assert body_of(Phone().get(url(update, "a%20b%2541.nbt"))) == IMAGE
    assert error_of(Phone().get(url(update, "a%20bA.nbt"))).status == 404


def test_the_case_of_a_path_does_not_matter_as_long_as_one_file_is_meant() -> None:
    update = an_update()
    assert body_of(Phone().get(url(update).replace("UCPhone", "ucphone").replace("nbt", "NBT"))) == IMAGE


def test_of_two_files_that_differ_in_case_only_the_exact_one_is_sent() -> None:
    update = make_update(shape=UpdateShape(state=State.APPROVED, files={"CPE.nbt": IMAGE, "cpe.nbt": IMAGE}))
    put_in_store(update, {"CPE.nbt": IMAGE})
    assert body_of(Phone().get(url(update))) == IMAGE
    assert error_of(Phone().get(url(update, "Cpe.nbt"))).status == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_a_file_can_only_be_fetched(method: str) -> None:
    response = Phone().get(url(an_update()), method)
    assert error_of(response).status == 405
    assert response["Allow"] == "GET, HEAD"


def test_a_caller_from_elsewhere_gets_no_file(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    update = an_update()
    with django_assert_num_queries(0):
        response = Phone(address="198.51.100.7", https=True).get(url(update))
    assert error_of(response).status == 403


def test_a_file_that_the_store_lost_is_a_sick_store_not_a_missing_file(
    caplog: pytest.LogCaptureFixture, files_of_its_own: Path
) -> None:
    update = an_update()
    (files_of_its_own / "store" / update.folder / "CPE.nbt").unlink()
    response = Phone().get(url(update))
    assert error_of(response).status == 503
    assert response["Retry-After"] == "60"
    assert f"{update.folder}/CPE.nbt: the update store does not give the file" in caplog.text


def test_a_file_with_another_size_is_not_sent(
    caplog: pytest.LogCaptureFixture, files_of_its_own: Path
) -> None:
    update = an_update()
    (files_of_its_own / "store" / update.folder / "CPE.nbt").write_bytes(b"half")
    assert error_of(Phone().get(url(update))).status == 503
    assert f"has 4 bytes, not {len(IMAGE)}" in caplog.text


def test_a_file_that_shrinks_while_it_is_sent_breaks_the_answer_off(files_of_its_own: Path) -> None:
    update = an_update()
    response = Phone().get(url(update))
    (files_of_its_own / "store" / update.folder / "CPE.nbt").write_bytes(b"half")
    with pytest.raises(OSError, match="became shorter"):
        body_of(response)


def test_while_the_database_is_down_a_download_is_put_off() -> None:
    def refuse(*_arguments: object) -> None:
        raise OperationalError("down")

    update = an_update()
    with connection.execute_wrapper(refuse):
        response = Phone().get(url(update))
    assert error_of(response).status == 503


def test_an_empty_file_is_sent() -> None:
    response = Phone().get(url(an_update(files={"CPE.nbt": b""})))
    assert (response.status_code, body_of(response), response["Content-Length"]) == (200, b"", "0")


def the_only_delivery() -> Delivery:
    return Delivery.objects.get()


def test_the_delivery_is_noted_when_the_last_byte_of_the_largest_file_was_sent() -> None:
    update = an_update()
    Phone().check(a_check())
    body_of(Phone().get(url(update, "CPE.cat")))
    body_of(Phone().get(url(update), Range="bytes=0-1000"))
    body_of(Phone().get(url(update), "HEAD"))
    body_of(Phone().get(url(update), **{"If-None-Match": ETAG}))
    body_of(Phone(address="10.9.9.9").get(url(update)))
    assert the_only_delivery().fetched_at is None
    body_of(Phone().get(url(update), Range="bytes=1001-"))
    assert the_only_delivery().fetched_at is not None


@pytest.mark.django_db(transaction=True)
def test_a_download_that_the_device_breaks_off_is_not_noted() -> None:
    update = an_update()
    Phone().check(a_check())
    response = Phone().get(url(update))
    assert next(iter(response))
    response.close()
    assert the_only_delivery().fetched_at is None


def test_a_range_writes_nothing(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    update = an_update()
    Phone().check(a_check())
    with django_assert_num_queries(1):
        body_of(Phone().get(url(update), Range="bytes=0-1000"))


def test_the_end_of_a_download_costs_a_constant_number_of_queries(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    update = an_update()
    Phone().check(a_check())
    with django_assert_num_queries(4):
        # The file, the largest file, who waits for it, the note.
        body_of(Phone().get(url(update)))
    with django_assert_num_queries(3):
        body_of(Phone().get(url(update)))


def test_a_download_that_cannot_be_noted_is_sent_all_the_same(caplog: pytest.LogCaptureFixture) -> None:
    def refuse(*_arguments: object) -> None:
        raise OperationalError("down")

    response = Phone().get(url(an_update()))
    with connection.execute_wrapper(refuse):
        assert body_of(response) == IMAGE
    assert "A download could not be recorded" in caplog.text


def test_nginx_is_told_what_to_send(settings: Settings) -> None:
    settings.DUS_ACCEL_PREFIX = "/_store"
    update = an_update(files={"a b.nbt": IMAGE})
    Phone().check(a_check())
    response = Phone().get(url(update, "a%20b.nbt"))
    assert response["X-Accel-Redirect"] == f"/_store/{update.folder}/a%20b.nbt"
    assert response["ETag"] == ETAG
    assert body_of(response) == b""
    assert the_only_delivery().fetched_at is not None


def test_nginx_sends_ranges_itself_and_a_first_range_is_not_noted(settings: Settings) -> None:
    settings.DUS_ACCEL_PREFIX = "/_store"
    update = an_update()
    Phone().check(a_check())
    response = Phone().get(url(update), Range="bytes=0-1")
    assert response.status_code == 200
    assert "Content-Range" not in response
    assert "X-Accel-Redirect" in Phone().get(url(update), "HEAD")
    assert the_only_delivery().fetched_at is None


def test_nginx_is_not_sent_for_a_file_that_the_store_lost(settings: Settings, files_of_its_own: Path) -> None:
    settings.DUS_ACCEL_PREFIX = "/_store"
    update = an_update()
    (files_of_its_own / "store" / update.folder / "CPE.nbt").unlink()
    response = Phone().get(url(update))
    assert "X-Accel-Redirect" not in response
    assert error_of(response).status == 503


def test_an_object_store_is_asked_by_the_device_itself(settings: Settings) -> None:
    update = make_update(shape=UpdateShape(state=State.APPROVED, files=FILES))
    settings.STORAGES = settings.STORAGES | {
        "updates": {
            "BACKEND": "storages.backends.s3.S3Storage",
            "OPTIONS": {
                "bucket_name": "bucket",
                "endpoint_url": "https://objects.example.org",
                "region_name": "eu-central-1",
                "access_key": "key",
                "secret_key": "secret",
                "location": "store",
                "signature_version": "s3v4",
            },
        }
    }
    Phone().check(a_check())
    head = Phone().get(url(update), "HEAD")
    assert (head.status_code, head["ETag"], head["Accept-Ranges"]) == (200, ETAG, "bytes")
    assert head["Content-Length"] == str(len(IMAGE))
    assert "Location" not in head
    assert the_only_delivery().fetched_at is None
    response = Phone().get(url(update))
    assert response.status_code == 302
    assert response["Location"].startswith(
        f"https://objects.example.org/bucket/store/{update.folder}/CPE.nbt?"
    )
    assert "X-Amz-Signature" in response["Location"]
    assert response["Cache-Control"] == "no-store"
    assert the_only_delivery().fetched_at is not None


def test_a_stranger_is_not_sent_to_the_object_store() -> None:
    update = an_update()
    response = Client().get(url(update), REMOTE_ADDR="198.51.100.7")
    assert response.status_code == 403
    assert "Location" not in response


def test_the_device_that_waits_longest_is_noted_behind_a_shared_address() -> None:
    update = an_update()
    first, second = make_device("00-15-5D-00-00-01"), make_device("00-15-5D-00-00-02")
    Device.objects.update(last_address="10.1.2.3")
    now = timezone.now()
    for device, minutes in ((second, 1), (first, 2)):
        Delivery.objects.create(
            device=device,
            update=update,
            offered_at=now,
            last_offered_at=now - timedelta(minutes=minutes),
        )
    body_of(Phone().get(url(update)))
    assert [delivery.device for delivery in Delivery.objects.filter(fetched_at__isnull=False)] == [first]
    body_of(Phone().get(url(update)))
    assert not Delivery.objects.filter(fetched_at__isnull=True).exists()
