"""The update store keeps its promises on a local folder and on an S3 server alike."""

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from django.core.files.base import File
from django.core.files.storage import Storage
from moto.server import ThreadedMotoServer
from pytest_django import Settings

from updates import store
from updates.store import SourceFile, StoreError

PATH = "UCPhone/Polycom/CX700/A/ENU/1.0.522.101/CPE/CPE.nbt"


def source(content: bytes, *, movable: Path | None = None) -> SourceFile:
    if movable is not None:
        movable.write_bytes(content)
    return SourceFile(
        name="CPE.nbt",
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        modified=None,
        open=lambda: io.BytesIO(content) if movable is None else movable.open("rb"),
        movable=movable,
    )


@pytest.fixture(scope="module")
def s3_address() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(params=["local", "s3"])
def storage(request: pytest.FixtureRequest, settings: Settings) -> Storage:
    if request.param == "s3":
        address = request.getfixturevalue("s3_address")
        account = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
        boto3.resource("s3", endpoint_url=address, **account).create_bucket(Bucket="updates")
        settings.STORAGES = settings.STORAGES | {
            "updates": {
                "BACKEND": "storages.backends.s3.S3Storage",
                "OPTIONS": {
                    "bucket_name": "updates",
                    "endpoint_url": address,
                    "region_name": "us-east-1",
                    "access_key": "test",
                    "secret_key": "test",
                    "location": request.node.name,
                    "file_overwrite": False,
                    "default_acl": None,
                    "signature_version": "s3v4",
                },
            }
        }
    return store.storage()


def read(storage: Storage, path: str) -> bytes:
    with storage.open(path) as file:
        return bytes(file.read())


def test_a_file_is_kept_at_exactly_its_path(storage: Storage) -> None:
    store.put(PATH, source(b"image"))

    assert read(storage, PATH) == b"image"


def test_a_scratch_file_is_taken_as_it_is(storage: Storage, tmp_path: Path) -> None:
    store.put(PATH, source(b"image", movable=tmp_path / "0.part"))

    assert read(storage, PATH) == b"image"


def test_putting_the_same_bytes_again_changes_nothing(storage: Storage) -> None:
    store.put(PATH, source(b"image"))
    before = storage.get_modified_time(PATH)

    store.put(PATH, source(b"image"))

    assert storage.get_modified_time(PATH) == before


def test_what_a_killed_attempt_left_is_replaced(storage: Storage) -> None:
    store.put(PATH, source(b"ima"))

    store.put(PATH, source(b"image"))

    assert read(storage, PATH) == b"image"


def test_deleting_takes_what_is_there_and_minds_nothing_else(storage: Storage) -> None:
    store.put(PATH, source(b"image"))

    store.delete([PATH, "UCPhone/no/such/file"])

    assert not storage.exists(PATH)


def test_a_store_that_renames_is_refused_and_keeps_nothing(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = store.storage()
    save = type(storage).save
    monkeypatch.setattr(type(storage), "save", lambda self, name, content: save(self, f"{name}_1", content))

    with pytest.raises(StoreError, match="another name"):
        store.put(PATH, source(b"image"))

    assert not storage.exists(f"{PATH}_1")


def test_of_two_processes_that_put_the_same_bytes_at_once_both_succeed(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = store.storage()
    save = type(storage).save

    def overtaken(self: Storage, name: str, content: File[bytes]) -> str:
        save(self, name, File(io.BytesIO(b"image")))
        return str(save(self, name, content))

    monkeypatch.setattr(type(storage), "save", overtaken)

    store.put(PATH, source(b"image"))

    folder, _slash, name = PATH.rpartition("/")
    assert storage.listdir(folder) == ([], [name])
