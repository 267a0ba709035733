"""The commands that decide about updates: they differ in the service they call and in their words."""

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Protocol

from django.contrib.auth.models import User
from django.core.management.base import CommandError, CommandParser

from updates.domain.lifecycle import Action, sources_of, target_of
from updates.management.base import Invocation, ServiceCommand, add_acting
from updates.management.selection import Selection, add_selection, select
from updates.models import Update
from updates.selectors import Effect, effects
from updates.services import decisions
from updates.services.decisions import Lost, Outcome

_REMOVED = "removed"


class Decide(Protocol):
    """A service of updates.services.decisions."""

    def __call__(self, update_ids: Iterable[int], *, by: User | None, reason: str = "") -> Outcome: ...


class DecisionCommand(ServiceCommand):
    """Selects updates, says what a decision means for devices, asks, decides, reports.

    `verb` and `past` are the decision's words, as in "Approve 3 updates?" and "approved".
    """

    action: ClassVar[Action]
    verb: ClassVar[str]
    past: ClassVar[str]

    @abstractmethod
    def service(self) -> Decide:
        """The service that decides."""

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        add_acting(parser)
        add_selection(parser, default=" and ".join(sorted(sources_of(self.action))))

    def run(self, invocation: Invocation, options: Mapping[str, Any]) -> None:
        selection = select(options, states=sources_of(self.action))
        preview = decisions.preview(selection.ids, self.action)
        self._tell_effects(effects((update.pk for update in preview.done), self.action))
        if invocation.dry_run or not preview.done:
            self._report(invocation, selection, preview)
            return
        self.confirm(invocation, f"{self.verb} {_updates(len(preview.done))}?")
        outcome = self.service()(selection.ids, by=invocation.by, reason=invocation.reason)
        self._report(invocation, selection, outcome)

    def _tell_effects(self, told: Iterable[Effect]) -> None:
        for effect in told:
            self.say(f"#{effect.update.pk} {effect.update}: {_devices(self.action, effect)}")

    def _report(self, invocation: Invocation, selection: Selection, outcome: Outcome) -> None:
        """Prints the outcome. Raises CommandError when nothing was selected, or something was lost."""
        lost = (*selection.lost, *outcome.lost)
        if invocation.as_json:
            self.print_json(
                {
                    "done": [self._done(update) for update in outcome.done],
                    "lost": [{"id": one.update_id, "label": one.label, "why": one.why} for one in lost],
                    "restored": [
                        {"id": update.pk, "label": str(update), "state": Update.State.APPROVED.value}
                        for update in outcome.restored
                    ],
                    "dry_run": invocation.dry_run,
                }
            )
        else:
            would_be = "would be " if invocation.dry_run else ""
            for update in outcome.done:
                self.stdout.write(f"{would_be}{self.past}: #{update.pk} {update}")
            for update in outcome.restored:
                self.stdout.write(f"{would_be}approved again: #{update.pk} {update}")
        if not outcome.done and not lost:
            raise CommandError("No update matches the selection; `list_updates` shows them all.")
        if lost:
            raise CommandError(f"Not {self.past}:\n{_reasons(lost)}")

    def _done(self, update: Update) -> dict[str, object]:
        target = target_of(self.action)
        return {"id": update.pk, "label": str(update), "state": target.value if target else _REMOVED}


def _updates(number: int) -> str:
    return "1 update" if number == 1 else f"{number} updates"


def _reasons(lost: Iterable[Lost]) -> str:
    # An update that does not exist has its number for a label.
    return "\n".join(
        f"{one.label if one.label.startswith('#') else f'#{one.update_id} {one.label}'}: {one.why}"
        for one in lost
    )


def _devices(action: Action, effect: Effect) -> str:
    """What the decision means, e.g. "3 upgrade, 1 DOWNGRADE"; a downgrade is not to be overlooked."""
    if action is Action.REMOVED:
        return "its files and its entry are deleted"
    counts = (
        (effect.upgrade, "upgrade"),
        (effect.downgrade, "DOWNGRADE"),
        (effect.same, "stay as they are"),
        (effect.unknown, "of unknown version"),
    )
    numbers = ", ".join(f"{number} {word}" for number, word in counts if number) or "none is known"
    whose = "test devices" if action is Action.REJECTED else "devices"
    offered = f"are offered {effect.offered}" if effect.offered else "are offered nothing"
    return f"{whose} {offered}: {numbers}"
