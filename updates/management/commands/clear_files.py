from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db.models import Sum
from django.template.defaultfilters import filesizeformat

from updates import authorisation
from updates.management.base import Invocation, ServiceCommand, add_acting
from updates.management.selection import add_selection, has_filters, select
from updates.models import Update, UpdateFile
from updates.services import files


class Command(ServiceCommand):
    help = "Deletes the files of rejected updates; without a selection of all of them. This cannot be undone."
    permission = authorisation.CLEAR_FILES

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        add_acting(parser)
        add_selection(parser, default="rejected")

    def run(self, invocation: Invocation, options: Mapping[str, Any]) -> None:
        chosen = None
        if options["ids"] or has_filters(options):
            chosen = select(options, states=[Update.State.REJECTED]).ids
        clearable = list(files.clearable(chosen).select_related("device_type"))
        size = _size(clearable)
        lost = sorted(set(chosen or ()) - {update.pk for update in clearable})
        if invocation.dry_run or not clearable:
            self._report(invocation, clearable, lost=lost, size=size)
            return
        number = len(clearable)
        self.confirm(invocation, f"Delete the files of {number} rejected updates, {filesizeformat(size)}?")
        cleared = files.clear_files(chosen, by=invocation.by, reason=invocation.reason)
        self._report(invocation, cleared, lost=lost, size=size)

    def _report(
        self, invocation: Invocation, cleared: Sequence[Update], *, lost: list[int], size: int
    ) -> None:
        why = "It is not rejected, or its files are cleared already."
        if invocation.as_json:
            self.print_json(
                {
                    "done": [
                        {"id": update.pk, "label": str(update), "state": update.state} for update in cleared
                    ],
                    "lost": [{"id": pk, "label": f"#{pk}", "why": why} for pk in lost],
                    "bytes": size,
                    "dry_run": invocation.dry_run,
                }
            )
        else:
            would_be = "would be " if invocation.dry_run else ""
            for update in cleared:
                self.stdout.write(f"{would_be}cleared: #{update.pk} {update}")
            if cleared:
                self.stdout.write(f"{filesizeformat(size)} {would_be}freed")
        if lost:
            raise CommandError(f"Not cleared: {' '.join(f'#{pk}' for pk in lost)}. {why}")
        if not cleared:
            raise CommandError("No rejected update has files to clear.")


def _size(updates: Iterable[Update]) -> int:
    total = UpdateFile.objects.filter(update__in=[update.pk for update in updates]).aggregate(sum=Sum("size"))
    return int(total["sum"] or 0)
