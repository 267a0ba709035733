"""Listing updates for people and for programs."""

import hashlib

import pytest

from tests.builders import UpdateShape, make_update, make_user
from tests.updates.commands.shell import Shell
from updates.domain.lifecycle import State

pytestmark = pytest.mark.django_db


def test_the_json_tells_what_each_update_is_for_and_its_files(shell: Shell) -> None:
    update = make_update(shape=UpdateShape(files={"CPE.nbt": b"image"}))

    assert shell.run("list_updates", "--json").json == [
        {
            "id": update.pk,
            "family": "UCPhone",
            "brand": "Polycom",
            "model": "CX700",
            "revision": "A",
            "locale": "ENU",
            "update_type": "CPE",
            "version": "1.0.522.101",
            "state": "pending",
            "files": [{"name": "CPE.nbt", "size": 5, "sha256": hashlib.sha256(b"image").hexdigest()}],
        }
    ]


def test_every_state_is_listed_but_what_is_not_published_yet(shell: Shell) -> None:
    for number, state in enumerate(State):
        make_update(f"1.0.0.{number}", state)

    listed = shell.run("list_updates", "--json").json

    assert isinstance(listed, list)
    assert {one["state"] for one in listed} == {"pending", "approved", "superseded", "rejected"}


def test_a_listing_of_nothing_is_no_error(shell: Shell) -> None:
    assert shell.run("list_updates", "--json").json == []
    nothing = shell.run("list_updates", "--version", "9.9")
    assert (nothing.out, nothing.error) == ("no updates\n", "")


def test_people_get_a_table(shell: Shell) -> None:
    update = make_update()
    make_update("3.5.6907.35", State.APPROVED)

    heads, row = shell.run("list_updates", update.pk).out.splitlines()

    assert heads.split() == [
        "id",
        "state",
        "family",
        "brand",
        "model",
        "revision",
        "locale",
        "type",
        "version",
        "files",
    ]
    assert row.split() == f"{update.pk} pending UCPhone Polycom CX700 A ENU CPE 1.0.522.101 2".split()


def test_an_account_lists_what_it_may_view(shell: Shell) -> None:
    make_user(name="viewer", groups=("Viewers",))
    make_user(name="stranger")
    make_update()

    assert len(shell.run("list_updates", "--as", "viewer").out.splitlines()) == 2
    assert shell.run("test_device", "list", "--as", "viewer").error == ""
    for command in (("list_updates",), ("test_device", "list")):
        refused = shell.run(*command, "--as", "stranger")
        assert "stranger may not do this" in refused.error
        assert refused.out == ""
