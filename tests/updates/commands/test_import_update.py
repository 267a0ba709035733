"""Importing packages at the shell."""

import hashlib
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.builders import make_user
from tests.updates.commands.shell import Shell
from updates import tasks
from updates.cabinet.writer import write_cabinet
from updates.models import Package, Update

pytestmark = pytest.mark.django_db(transaction=True)

FOLDER = "UCPhone/Polycom/CX700/A/ENU/1.0.522.101/CPE"


def make_cabinet(path: Path, members: list[tuple[str, bytes]]) -> Path:
    with path.open("w+b") as file:
        write_cabinet(file, members, method="mszip")
    return path


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    return make_cabinet(tmp_path / "sound.cab", [(f"{FOLDER}/CPE.nbt", b"image"), ("readme.txt", b"hello")])


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    path = tmp_path / "broken.cab"
    path.write_bytes(b"not a cabinet at all")
    return path


def test_a_package_is_extracted_before_the_command_ends(shell: Shell, sound: Path) -> None:
    ended = shell.run("import_update", sound, "--json")

    assert ended.error == ""
    update = Update.objects.get()
    package = Package.objects.get()
    assert (update.state, update.version) == ("pending", "1.0.522.101")
    assert isinstance(ended.json, list)
    (told,) = ended.json
    findings = told.pop("findings")
    assert told == {
        "package": package.pk,
        "sha256": hashlib.sha256(sound.read_bytes()).hexdigest(),
        "state": "ready",
        "updates": [update.pk],
        "unassigned": ["readme.txt"],
    }
    assert {tuple(finding) for finding in findings} == {("level", "check", "member", "message")}


def test_a_broken_package_is_named_with_its_finding_and_the_others_are_imported(
    shell: Shell, sound: Path, broken: Path, tmp_path: Path
) -> None:
    ended = shell.run("import_update", broken, tmp_path / "missing.cab", sound, "--json")

    assert "broken.cab failed: cabinet" in ended.error
    assert "missing.cab: not imported: No such file" in ended.error
    assert isinstance(ended.json, list)
    assert [told["state"] for told in ended.json] == ["failed", "ready"]
    assert Update.objects.get().package.file_name == "sound.cab"


def test_with_queue_the_package_waits_for_the_workers(shell: Shell, sound: Path) -> None:
    ended = shell.run("import_update", "--queue", sound, "--json")

    assert ended.error == ""
    assert isinstance(ended.json, list)
    assert [told["state"] for told in ended.json] == ["uploaded"]
    assert not Update.objects.exists()


def test_a_dry_run_looks_at_the_files_and_stores_nothing(shell: Shell, sound: Path, broken: Path) -> None:
    assert "2 members" in shell.run("import_update", sound, "--dry-run").out
    assert "does not start with MSCF" in shell.run("import_update", broken, "--dry-run", "--json").error
    assert not Package.objects.exists()


def test_a_dry_run_prints_the_same_keys_as_an_import(shell: Shell, sound: Path) -> None:
    new = shell.run("import_update", sound, "--dry-run", "--json").json
    imported = shell.run("import_update", sound, "--json").json
    known = shell.run("import_update", sound, "--dry-run", "--json").json

    members = {"members": [f"{FOLDER}/CPE.nbt", "readme.txt"]}
    assert new == [
        {
            "package": None,
            "sha256": hashlib.sha256(sound.read_bytes()).hexdigest(),
            "state": None,
            "updates": [],
            "unassigned": [],
            "findings": [],
            **members,
        }
    ]
    assert isinstance(imported, list)
    assert known == [{**imported[0], **members}]


class Usage(NamedTuple):
    total: int
    used: int
    free: int


def test_a_package_that_a_full_disk_held_up_is_listed_and_said_to_be_tried_again(
    shell: Shell, sound: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: Usage(100, 97, 3))

    ended = shell.run("import_update", sound, "--json")

    package = Package.objects.get()
    assert isinstance(ended.json, list)
    assert [(told["package"], told["state"]) for told in ended.json] == [(package.pk, "uploaded")]
    assert f"package {package.pk} is uploaded, but its extraction did not finish" in ended.error
    assert "3 are free" in ended.error
    assert "tried again" in ended.error
    assert "not imported" not in ended.error


def test_the_same_bytes_again_lead_to_the_package_that_exists(shell: Shell, sound: Path) -> None:
    shell.run("import_update", sound)

    again = shell.run("import_update", sound)

    assert again.error == ""
    assert "these bytes are package" in again.err
    assert Package.objects.count() == Update.objects.count() == 1


def test_without_the_permission_nothing_is_stored(shell: Shell, sound: Path) -> None:
    make_user(name="viewer")

    ended = shell.run("import_update", sound, "--as", "viewer")

    assert "viewer may not do this" in ended.error
    assert not Package.objects.exists()


def test_people_read_what_a_package_brought_and_what_is_left_to_do(shell: Shell, sound: Path) -> None:
    out = shell.run("import_update", sound).out

    assert "sound.cab: package" in out
    assert "UCPhone / Polycom / CX700 / A / ENU CPE 1.0.522.101, pending" in out
    assert "1 unassigned files: readme.txt" in out


def test_with_a_queue_that_is_not_reached_the_package_waits_for_the_sweep(
    shell: Shell, sound: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def unreachable(*, package_id: int) -> None:
        raise ConnectionError(package_id)

    monkeypatch.setattr(tasks.extract_package, "delay", unreachable)

    ended = shell.run("import_update", "--queue", sound)

    assert ended.error == ""
    assert Package.objects.get().state == Package.State.UPLOADED
    assert "Error calling" in caplog.text
