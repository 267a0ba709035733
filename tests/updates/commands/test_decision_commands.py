"""Deciding at the shell: the same services, the same permissions, and an exit status to rely on."""

import io

import pytest

from devices.identity import DeviceTypeKey
from tests.builders import UpdateShape, make_device, make_update, make_user
from tests.updates.commands.shell import Shell
from updates.domain.lifecycle import State
from updates.models import LedgerEntry, Update

pytestmark = pytest.mark.django_db

IP8540 = DeviceTypeKey("UCPhone", "LG-Nortel", "IP8540", "A", "ENU")


class Terminal(io.StringIO):
    """A standard input with somebody at it."""

    def isatty(self) -> bool:
        return True


def state_of(update: Update) -> str:
    return Update.objects.get(pk=update.pk).state


def test_an_update_is_approved_by_its_number(shell: Shell) -> None:
    update = make_update("3.5.6907.35")

    ended = shell.run("approve_update", update.pk, "--yes", "--reason", "tested", "--json")

    assert ended.error == ""
    assert ended.json == {
        "done": [{"id": update.pk, "label": str(update), "state": "approved"}],
        "lost": [],
        "restored": [],
        "dry_run": False,
    }
    assert state_of(update) == State.APPROVED
    entry = LedgerEntry.objects.get(action="approved")
    assert (entry.actor_name, entry.reason) == ("system", "tested")


def test_the_ledger_names_the_account_that_a_command_acts_as(shell: Shell) -> None:
    make_user(name="mina", groups=("Approvers",))
    update = make_update()

    assert shell.run("reject_update", update.pk, "--yes", "--as", "mina").error == ""

    assert LedgerEntry.objects.get(action="rejected").actor_name == "mina"


@pytest.mark.parametrize("command", ["approve_update", "reject_update", "restore_update", "remove_update"])
def test_without_the_permission_nothing_is_decided(shell: Shell, command: str) -> None:
    make_user(name="viewer", groups=("Viewers",))
    updates = [
        make_update("1.0.0.1", State.APPROVED),
        make_update("1.0.0.2"),
        make_update("1.0.0.0", State.REJECTED),
    ]

    ended = shell.run(command, "--all", "--yes", "--as", "viewer")

    assert "viewer may not do this" in ended.error
    assert [state_of(update) for update in updates] == ["approved", "pending", "rejected"]
    assert not LedgerEntry.objects.exists()


def test_an_unknown_account_decides_nothing(shell: Shell) -> None:
    update = make_update()

    ended = shell.run("approve_update", update.pk, "--yes", "--as", "nobody")

    assert ended.error.startswith("There is no account “nobody”.")
    assert state_of(update) == State.PENDING


def test_without_yes_and_without_a_terminal_nothing_is_decided(shell: Shell) -> None:
    update = make_update()

    ended = shell.run("approve_update", update.pk)

    assert "add --yes" in ended.error
    assert state_of(update) == State.PENDING


@pytest.mark.parametrize(
    ("answer", "state"), [("y\n", "approved"), ("Yes\n", "approved"), ("\n", "pending"), ("no\n", "pending")]
)
def test_at_a_terminal_it_asks_and_takes_only_yes_for_yes(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, answer: str, state: str
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    update = make_update()

    ended = shell.run("approve_update", update.pk)

    assert "Approve 1 update? [y/N]" in ended.err
    assert state_of(update) == state


def test_a_dry_run_says_what_would_happen_and_changes_nothing(shell: Shell) -> None:
    old = make_update("1.0.522.101", State.SUPERSEDED)
    update = make_update("3.5.6907.35", State.APPROVED, previous=old)

    ended = shell.run("restore_update", "--brand", "POLYCOM", "--dry-run", "--json")

    assert ended.error == ""
    assert ended.json == {
        "done": [{"id": update.pk, "label": str(update), "state": "rejected"}],
        "lost": [],
        "restored": [{"id": old.pk, "label": str(old), "state": "approved"}],
        "dry_run": True,
    }
    assert [state_of(update), state_of(old)] == ["approved", "superseded"]
    assert not LedgerEntry.objects.exists()


def test_a_dry_run_needs_the_permission_too(shell: Shell) -> None:
    make_user(name="viewer", groups=("Viewers",))
    make_update()

    assert "may not do this" in shell.run("approve_update", "--all", "--dry-run", "--as", "viewer").error


def test_before_deciding_it_says_who_would_go_down(shell: Shell) -> None:
    make_device(version="4.0.7577.4066")
    make_device(version="1.0.522.101")
    update = make_update("3.5.6907.35")

    ended = shell.run("approve_update", update.pk, "--yes")

    assert "devices are offered 3.5.6907.35: 1 upgrade, 1 DOWNGRADE" in ended.err


def test_filters_select_without_regard_to_case_and_narrow_each_other(shell: Shell) -> None:
    wanted = make_update(shape=UpdateShape(key=IP8540, version="3.5.6907.35"))
    other = make_update("3.5.6907.35")

    ended = shell.run(
        *(
            "approve_update",
            "--family",
            "ucphone",
            "--brand",
            "lg-nortel",
            "--model",
            "ip8540",
            "--revision",
            "a",
        ),
        *(
            "--locale",
            "enu",
            "--update-type",
            "cpe",
            "--version",
            "3.5.6907.35",
            "--state",
            "Pending",
            "--yes",
        ),
    )

    assert ended.error == ""
    assert [state_of(wanted), state_of(other)] == ["approved", "pending"]


def test_each_command_looks_at_the_states_it_can_decide(shell: Shell) -> None:
    approved = make_update("1.0.0.3", State.APPROVED)
    pending = make_update("1.0.0.4")
    superseded = make_update("1.0.0.2", State.SUPERSEDED)
    rejected = make_update("1.0.0.1", State.REJECTED)

    assert shell.run("remove_update", "--all", "--yes").error == ""

    assert list(Update.objects.order_by("pk")) == [approved, pending]
    assert LedgerEntry.objects.filter(action="removed").count() == len([superseded, rejected])


def test_what_matches_nothing_is_an_error(shell: Shell) -> None:
    make_update()

    ended = shell.run("approve_update", "--brand", "Snom", "--yes", "--json")

    assert "No update matches" in ended.error
    assert ended.json == {"done": [], "lost": [], "restored": [], "dry_run": False}


def test_without_a_selection_nothing_is_meant(shell: Shell) -> None:
    update = make_update()

    assert "Select updates" in shell.run("approve_update", "--yes").error
    assert "not both" in shell.run("approve_update", update.pk, "--all", "--yes").error
    assert state_of(update) == State.PENDING


def test_what_was_lost_is_named_with_its_reason_and_the_rest_is_done(shell: Shell) -> None:
    done = make_update("3.5.6907.35")
    lost = make_update("1.0.522.101", State.REJECTED)

    ended = shell.run("approve_update", done.pk, lost.pk, 999_999, "--yes", "--json")

    assert f"#{lost.pk} {lost}: It is Rejected." in ended.error
    assert "#999999: There is no such update" in ended.error
    assert isinstance(ended.json, dict)
    assert [one["id"] for one in ended.json["done"]] == [done.pk]
    assert {one["id"] for one in ended.json["lost"]} == {lost.pk, 999_999}
    assert state_of(done) == State.APPROVED


def test_a_number_that_a_filter_leaves_out_is_lost_not_decided(shell: Shell) -> None:
    update = make_update()

    ended = shell.run("approve_update", update.pk, "--brand", "LG-Nortel", "--yes")

    assert "The filters leave it out." in ended.error
    assert state_of(update) == State.PENDING
