from collections.abc import Mapping
from typing import Any

from django.core.management.base import CommandError, CommandParser

from updates import authorisation
from updates.management.base import Invocation, ServiceCommand, add_account
from updates.management.selection import add_selection, has_filters, select
from updates.models import Update
from updates.selectors import updates_with_context

_HEADS = ("id", "state", "family", "brand", "model", "revision", "locale", "type", "version", "files")
_STATES = [state.value for state in Update.State]


class Command(ServiceCommand):
    permission = authorisation.VIEW
    help = "Lists updates with their files; without a selection all of them."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        add_account(parser)
        add_selection(parser, default="any state")

    def run(self, invocation: Invocation, options: Mapping[str, Any]) -> None:
        has_selection = bool(options["ids"]) or has_filters(options)
        chosen = select({**options, "everything": not options["ids"]}, states=_STATES).ids
        updates = list(updates_with_context().filter(pk__in=chosen).prefetch_related("files"))
        if invocation.as_json:
            self.print_json([_as_json(update) for update in updates])
        elif updates:
            self.print_table(_HEADS, [_row(update) for update in updates])
        elif not has_selection:
            self.stdout.write("no updates")
        # What the filters leave out is not in `chosen`; what does not exist is.
        missing = [str(pk) for pk in chosen if pk not in {update.pk for update in updates}]
        if missing:
            raise CommandError(
                f"No update has the number {', '.join(missing)}. `list_updates` without numbers shows them all."
            )
        if has_selection and not updates:
            raise CommandError("No update matches the selection; `list_updates` shows them all.")


def _as_json(update: Update) -> dict[str, object]:
    key = update.device_type.key
    return {
        "id": update.pk,
        "family": key.family,
        "brand": key.brand,
        "model": key.model,
        "revision": key.revision,
        "locale": key.locale,
        "update_type": update.update_type,
        "version": update.version,
        "state": update.state,
        "files": [
            {"name": file.name, "size": file.size, "sha256": file.sha256} for file in update.files.all()
        ],
    }


def _row(update: Update) -> tuple[object, ...]:
    return (
        update.pk,
        update.state,
        *update.device_type.key.parts,
        update.update_type,
        update.version,
        len(update.files.all()),
    )
