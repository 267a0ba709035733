"""Which updates a command is about: by number, by what they are for, by state."""

from argparse import ArgumentTypeError
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db.models import BigAutoField, Q

from devices.identity import shown
from updates.models import Update
from updates.selectors import updates_with_context
from updates.services.decisions import Lost

_FIELDS = {
    "brand": "device_type__brand",
    "model": "device_type__model",
    "family": "device_type__family",
    "revision": "device_type__revision",
    "locale": "device_type__locale",
    "update_type": "update_type",
    "version": "version",
}
_LARGEST_NUMBER = BigAutoField.MAX_BIGINT
_STATES = [state.value for state in Update.State if state is not Update.State.IMPORTING]


@dataclass(frozen=True, slots=True)
class Selection:
    """What a selection found: updates, and those named by number that its filters leave out."""

    ids: tuple[int, ...]
    lost: tuple[Lost, ...] = ()


def add_selection(parser: CommandParser, *, default: str) -> None:
    """Adds the arguments that select updates; `default` says what `--all` and the filters look at."""
    parser.add_argument(
        "ids", nargs="*", type=_number, metavar="ID", help="numbers of updates, see list_updates"
    )
    group = parser.add_argument_group("selection", "Without regard to case; filters narrow each other.")
    for name in _FIELDS:
        group.add_argument(f"--{name.replace('_', '-')}", dest=name, metavar="TEXT")
    group.add_argument("--state", type=str.lower, choices=_STATES, help=f"default: {default}")
    group.add_argument("--all", action="store_true", dest="everything", help=f"every update ({default})")


def has_filters(options: Mapping[str, Any]) -> bool:
    """Whether any filter was given."""
    return any(options.get(name) is not None for name in (*_FIELDS, "state"))


def select(options: Mapping[str, Any], *, states: Collection[str]) -> Selection:
    """The updates that the options select; those in `states` unless a number or `--state` says otherwise.

    Numbers that no filter leaves out are selected even if there is no such update: the service says so.
    Raises CommandError when nothing was selected at all, or by mistake everything.
    """
    ids: list[int] = list(dict.fromkeys(options["ids"]))
    if not ids and not has_filters(options) and not options["everything"]:
        raise CommandError("Select updates by their numbers, by a filter such as --brand, or with --all.")
    if ids and options["everything"]:
        raise CommandError("Give numbers or --all, not both.")
    condition = Q()
    for name, lookup in _FIELDS.items():
        if options.get(name) is not None:
            condition &= Q(**{f"{lookup}__iexact": options[name]})
    if options["state"]:
        condition &= Q(state=options["state"])
    if not ids:
        states = [options["state"]] if options["state"] else states
        found = updates_with_context().filter(condition, state__in=states)
        return Selection(tuple(found.order_by("pk").values_list("pk", flat=True)))
    existing = updates_with_context().in_bulk(ids)
    fitting = set(updates_with_context().filter(condition, pk__in=ids).values_list("pk", flat=True))
    lost = [
        Lost(pk, str(update), "The filters leave it out.")
        for pk, update in existing.items()
        if pk not in fitting
    ]
    left_out = {one.update_id for one in lost}
    return Selection(tuple(pk for pk in ids if pk not in left_out), tuple(lost))


def _number(text: str) -> int:
    """The number of an update, which a database can hold. Raises ArgumentTypeError."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if not 1 <= number <= _LARGEST_NUMBER:
        raise ArgumentTypeError(
            f"{shown(text)} is not the number of an update; `list_updates` shows them, from 1 up."
        )
    return number
