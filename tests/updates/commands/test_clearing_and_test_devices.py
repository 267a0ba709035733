"""Clearing files and keeping test devices at the shell."""

import pytest

from devices.models import TestDevice
from tests.builders import make_update, make_user
from tests.updates.commands.shell import Shell
from updates.domain.lifecycle import State
from updates.models import LedgerEntry, Update

pytestmark = pytest.mark.django_db


def test_clearing_first_says_what_and_how_much(shell: Shell) -> None:
    update = make_update(state=State.REJECTED)

    ended = shell.run("clear_files", "--dry-run", "--json")

    assert ended.json == {
        "done": [{"id": update.pk, "label": str(update), "state": "rejected"}],
        "lost": [],
        "bytes": len(b"image" + b"catalogue"),
        "dry_run": True,
    }
    assert Update.objects.get().files_cleared_at is None


def test_clearing_takes_rejected_updates_only(shell: Shell) -> None:
    kept = make_update("2.0", State.APPROVED)
    rejected = make_update("1.0", State.REJECTED)

    ended = shell.run("clear_files", kept.pk, rejected.pk, "--yes")

    assert f"Not cleared: #{kept.pk}." in ended.error
    assert list(Update.objects.filter(files_cleared_at__isnull=False)) == [rejected]


def test_clearing_without_yes_and_without_a_terminal_deletes_nothing(shell: Shell) -> None:
    make_update(state=State.REJECTED)

    assert "--yes" in shell.run("clear_files").error
    assert Update.objects.get().files_cleared_at is None


def test_nothing_to_clear_is_said(shell: Shell) -> None:
    assert shell.run("clear_files", "--yes").error == "No rejected update has files to clear."


def test_a_test_device_is_added_in_normal_form_listed_and_removed(shell: Shell) -> None:
    told = [{"identifier": "00-15-5D-0A-0B-0C", "kind": "mac", "name": "desk", "note": "by the window"}]

    added = shell.run(
        *("test_device", "add", "00:15:5d:0a:0b:0c", "--name", "desk", "--note", "by the window", "--json")
    )

    assert (added.json, added.error) == (told, "")
    assert shell.run("test_device", "list", "--json").json == told
    assert shell.run("test_device", "remove", "00155D0A0B0C").error == ""
    assert shell.run("test_device", "list").out == "no test devices\n"
    assert [entry.action for entry in LedgerEntry.objects.order_by("pk")] == [
        "test_device_added",
        "test_device_removed",
    ]


def test_a_serial_number_that_reads_as_a_mac_address_may_be_meant(shell: Shell) -> None:
    assert shell.run("test_device", "add", "001122334455", "--kind", "serial").error == ""

    assert TestDevice.objects.get().kind == "serial"


@pytest.mark.parametrize("arguments", [("add", "no such thing!"), ("remove", "00-11-22-33-44-55")])
def test_what_is_no_test_device_is_refused(shell: Shell, arguments: tuple[str, ...]) -> None:
    assert shell.run("test_device", *arguments).error != ""
    assert not LedgerEntry.objects.exists()


def test_twice_the_same_is_refused_also_in_a_dry_run(shell: Shell) -> None:
    assert shell.run("test_device", "add", "ABC-1", "--dry-run").error == ""
    assert not TestDevice.objects.exists()
    shell.run("test_device", "add", "ABC-1")

    assert "already" in shell.run("test_device", "add", "abc-1").error
    assert "already" in shell.run("test_device", "add", "abc-1", "--dry-run").error


@pytest.mark.parametrize(
    "arguments",
    [
        ("ABC-1", "--name", "n" * 200),
        ("ABC-1", "--note", "n" * 2000),
        ("no such thing!",),
        ("AB", "--kind", "mac"),
    ],
)
def test_a_dry_run_refuses_what_the_real_run_refuses(shell: Shell, arguments: tuple[str, ...]) -> None:
    real = shell.run("test_device", "add", *arguments)
    dry = shell.run("test_device", "add", *arguments, "--dry-run")

    assert real.error != ""
    assert (dry.out, dry.error) == (real.out, real.error)
    assert not TestDevice.objects.exists()


def test_a_viewer_neither_adds_nor_removes(shell: Shell) -> None:
    make_user(name="viewer", groups=("Viewers",))
    shell.run("test_device", "add", "ABC-1")

    assert "may not" in shell.run("test_device", "add", "ABC-2", "--as", "viewer").error
    assert "may not" in shell.run("test_device", "remove", "ABC-1", "--as", "viewer").error
    assert TestDevice.objects.count() == 1
