"""The command: whole answers on standard output, or one line on standard error."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cabs import Cab, File, Folder, cab
from updates.cabinet import __main__ as command
from updates.cabinet import process

ROOT = Path(__file__).resolve().parents[3]


def run(*arguments: str, stdout: int = subprocess.PIPE) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "updates.cabinet", *arguments],
        check=False,
        cwd=ROOT,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
    )


def test_members_come_in_the_order_of_the_table(tmp_path: Path) -> None:
    one = Folder([File(b"z\\last", b"first bytes"), File(b"a", b"more")])
    two = Folder([File(b"m", b"stored")], method="none")
    path = tmp_path / "two.cab"
    path.write_bytes(Cab([one, two], order=[(1, 0), (0, 0), (0, 1)]).build())
    done = run("hash", str(path))
    assert (done.returncode, done.stderr) == (0, "")
    members = json.loads(done.stdout)["members"]
    assert [(member["name"], member["size"], member["method"]) for member in members] == [
        ("m", 6, "none"),
        ("z/last", 11, "mszip"),
        ("a", 4, "mszip"),
    ]
    assert members[0]["sha256"] == hashlib.sha256(b"stored").hexdigest()
    listed = json.loads(run("list", str(path)).stdout)["members"]
    assert [set(member) for member in listed] == [{"name", "size", "method"}] * 3


@pytest.mark.parametrize("arguments", [(), ("list",), ("show", "x"), ("list", "a", "b")])
def test_a_wrong_call_ends_with_2(arguments: tuple[str, ...]) -> None:
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert "usage" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("kind", ["missing", "folder", "pipe", "empty", "device"])
def test_what_is_no_file_is_refused_in_one_line(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "odd\nname"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "empty":
        path.touch()
    elif kind == "device":
        path = Path("/dev/zero")
    done = run("hash", str(path))
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)


@pytest.mark.parametrize("command", ["list", "hash"])
def test_one_bad_member_leaves_nothing_on_standard_output(tmp_path: Path, command: str) -> None:
    path = tmp_path / "bad.cab"
    bad = Folder([File(b"bad", size=5)], blocks=[(b"CKgarbage", 5)])
    path.write_bytes(Cab([Folder([File(b"good", b"good")]), bad]).build())
    done = run(command, str(path))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("member 1 'bad' (folder 1, block 0): ")


def test_a_full_disk_behind_standard_output_is_said_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "good.cab"
    path.write_bytes(cab([("a", b"a")]))
    with Path("/dev/full").open("w") as full:
        done = run("list", str(path), stdout=full.fileno())
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "standard output" in done.stderr


def test_an_interrupt_is_no_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "good.cab"
    path.write_bytes(cab([("a", b"a")]))

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "inspect", interrupted)
    assert command.main(["list", str(path)]) == 1
    assert capsys.readouterr() == ("", "interrupted\n")


def test_a_child_that_cannot_start_is_not_blamed_on_the_cabinet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "good.cab"
    path.write_bytes(cab([("a", b"a")]))
    monkeypatch.setattr(process, "_START", "raise SystemExit('no such module')")
    assert command.main(["hash", str(path)]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "the decoder ended with 1: no such module" in err
