"""The door by which browsers bring packages in."""

import hashlib
from collections.abc import Iterator
from http import HTTPStatus
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client
from pytest_django import Settings

from tests.builders import make_user
from updates.models import LedgerEntry, Package

UPLOAD = "/admin/updates/package/upload/"
CONTENT = b"MSCF" + bytes(range(256)) * 9000

pytestmark = pytest.mark.django_db


class BrokenBody(BytesIO):
    """A body whose sender goes away after the first half."""

    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell() >= len(self.getvalue()) // 2:
            raise ConnectionResetError("the browser went away")
        return super().read(size)


class UnreadableBody(BytesIO):
    """A body of which nobody may read a byte."""

    def read(self, size: int | None = -1, /) -> bytes:
        raise AssertionError(f"{size} bytes of the body were read")


@pytest.fixture
def operator() -> Client:
    client = Client()
    client.force_login(make_user("updates.add_package", name="olga"))
    return client


def send(
    client: Client,
    content: bytes = CONTENT,
    *,
    name: str = "update.cab",
    body: BytesIO | None = None,
    **extra: Any,
) -> Any:
    """Uploads `content`; `body` is what the server gets to read instead."""
    if body is not None:
        extra["wsgi.input"] = body
    return client.generic(
        "POST",
        UPLOAD,
        content,
        content_type="application/octet-stream",
        headers={"X-File-Name": quote(name)},
        **extra,
    )


def leftovers(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_an_upload_becomes_a_package_with_its_hash_and_its_sender(operator: Client) -> None:
    answer = send(operator, name="UC更新.cab")

    package = Package.objects.get()
    assert answer.status_code == HTTPStatus.CREATED
    assert answer.json() == {
        "package": package.pk,
        "url": f"/admin/updates/package/{package.pk}/change/",
        "progress": f"/admin/updates/package/{package.pk}/progress/",
        "state": "uploaded",
        "is_new": True,
    }
    assert (package.file_name, package.size) == ("UC更新.cab", len(CONTENT))
    assert package.sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert package.uploaded_by is not None
    assert package.uploaded_by.username == "olga"
    assert LedgerEntry.objects.get().action == "package_uploaded"


def test_the_same_bytes_again_lead_to_the_package_that_exists(operator: Client) -> None:
    first = send(operator).json()
    again = send(operator, name="renamed.cab")

    assert again.status_code == HTTPStatus.OK
    assert again.json()["package"] == first["package"]
    assert again.json()["is_new"] is False
    assert Package.objects.get().file_name == "update.cab"


def test_without_the_permission_not_a_byte_is_read() -> None:
    client = Client()
    client.force_login(make_user("updates.view_package"))

    answer = send(client, body=UnreadableBody(CONTENT))

    assert answer.status_code == HTTPStatus.FORBIDDEN
    assert "updates.add_package" in answer.json()["error"]
    assert not Package.objects.exists()


def test_a_file_beyond_the_limit_is_refused_before_a_byte_is_read(
    operator: Client, settings: Settings
) -> None:
    settings.DUS_UPLOAD_MAX_BYTES = 4096

    answer = send(operator, body=UnreadableBody(CONTENT))

    assert answer.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    assert "DUS_UPLOAD_MAX_BYTES" in answer.json()["error"]
    assert not Package.objects.exists()


def test_an_upload_that_breaks_off_leaves_nothing(operator: Client, files_of_its_own: Path) -> None:
    answer = send(operator, body=BrokenBody(CONTENT))

    assert answer.status_code == HTTPStatus.BAD_REQUEST
    assert "broke off" in answer.json()["error"]
    assert not Package.objects.exists()
    assert leftovers(files_of_its_own) == []


def test_an_upload_that_ends_too_early_leaves_nothing(operator: Client, files_of_its_own: Path) -> None:
    answer = send(operator, body=BytesIO(CONTENT[:5000]))

    assert answer.status_code == HTTPStatus.BAD_REQUEST
    assert "5000" in answer.json()["error"]
    assert not Package.objects.exists()
    assert leftovers(files_of_its_own) == []


def test_an_empty_file_is_refused(operator: Client) -> None:
    answer = send(operator, b"", CONTENT_TYPE="application/octet-stream", CONTENT_LENGTH="0")

    assert answer.status_code == HTTPStatus.BAD_REQUEST
    assert "empty" in answer.json()["error"]
    assert not Package.objects.exists()


def test_a_body_of_unknown_length_is_refused(operator: Client) -> None:
    answer = send(operator, CONTENT_LENGTH="")

    assert answer.status_code == HTTPStatus.LENGTH_REQUIRED
    assert not Package.objects.exists()


def test_a_form_is_not_taken_for_a_file(operator: Client) -> None:
    answer = operator.post(UPLOAD, {"file": BytesIO(CONTENT)})

    assert answer.status_code == HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    assert "application/octet-stream" in answer.json()["error"]
    assert not Package.objects.exists()


def test_a_sick_storage_is_said_to_be_one_and_leaves_no_package(
    operator: Client, files_of_its_own: Path
) -> None:
    (files_of_its_own / "packages").write_text("a file where the folder should be")

    answer = send(operator)

    assert answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE
    assert "nothing of it was kept" in answer.json()["error"]
    assert not Package.objects.exists()


def test_who_is_not_logged_in_is_told_so_in_json(client: Client) -> None:
    answer = send(client)

    assert answer.status_code == HTTPStatus.UNAUTHORIZED
    assert "Log in" in answer.json()["error"]
    assert not Package.objects.exists()


def test_without_the_csrf_token_nothing_is_uploaded() -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(make_user("updates.add_package"))

    assert send(client).status_code == HTTPStatus.FORBIDDEN
    assert not Package.objects.exists()


def test_other_methods_are_refused(operator: Client) -> None:
    answer = operator.get(UPLOAD)

    assert answer.status_code == HTTPStatus.METHOD_NOT_ALLOWED
    assert "POST" in answer.json()["error"]


def test_the_body_flows_in_small_pieces(operator: Client) -> None:
    sizes: list[int] = []

    class Watched(BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            chunk = super().read(size)
            sizes.append(len(chunk))
            return chunk

        def __iter__(self) -> Iterator[bytes]:
            raise AssertionError("the body was read by lines")

    send(operator, body=Watched(CONTENT))

    assert sum(sizes) == len(CONTENT)
    assert max(sizes) <= 1 << 20


def test_the_upload_page_is_for_those_who_may_upload(operator: Client) -> None:
    page = operator.get("/admin/updates/package/add/")
    assert page.status_code == HTTPStatus.OK
    assert "import_update" in page.content.decode()
    assert operator.post("/admin/updates/package/add/", {}).status_code == HTTPStatus.METHOD_NOT_ALLOWED

    viewer = Client()
    viewer.force_login(make_user("updates.view_package"))
    assert viewer.get("/admin/updates/package/add/").status_code == HTTPStatus.FORBIDDEN
