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
    nothing = shell.run("list_updates", "--json")
    assert (nothing.json, nothing.error) == ([], "")
    nothing = shell.run("list_updates")
    assert (nothing.out, nothing.error) == ("no updates\n", "")


def test_a_selection_that_matches_nothing_is_an_error(shell: Shell) -> None:
    update = make_update()

    for selection in (("--brand", "Nope"), (update.pk, "--state", "approved")):
        ended = shell.run("list_updates", *selection, "--json")
        assert ended.json == []
        assert "No update matches the selection" in ended.error


def test_numbers_that_do_not_exist_are_named_beside_what_was_found(shell: Shell) -> None:
    update = make_update()

    ended = shell.run("list_updates", update.pk, 9999, 9998, "--json")

    assert isinstance(ended.json, list)
    assert [one["id"] for one in ended.json] == [update.pk]
    assert "No update has the number 9999, 9998." in ended.error
    assert shell.run("list_updates", 9999, "--json").json == []


@pytest.mark.parametrize(
    "number", ["99999999999999999999", "9223372036854775808", "0", "-1", "9" * 5000, "x"]
)
@pytest.mark.parametrize("command", ["list_updates", "reject_update", "clear_files"])
def test_what_cannot_be_the_number_of_an_update_is_refused(shell: Shell, command: str, number: str) -> None:
    ended = shell.run(command, "--", number)

    assert "is not the number of an update" in ended.error
    assert len(ended.error) < 300
    assert ended.out == ""


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
