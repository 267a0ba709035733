"""What all administrators' commands share: who acts, questions, output, and how they end.

A command calls the same service as the console's button. Results go to standard output; questions, effects and errors
go to standard error, so that `--json` can be piped. A command that was refused anything ends with exit status 1.
"""

import json
import sys
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error as DatabaseError

from updates import authorisation, store


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """How a command was called. Without `by` the operator at the shell acts, whom the ledger calls "system"."""

    by: User | None
    as_json: bool
    dry_run: bool = False
    yes: bool = False
    reason: str = ""


class ServiceCommand(BaseCommand):
    """A command on top of the services; a subclass says what it takes and what it does."""

    # What the service will ask for; asked first, so that nobody answers a question in vain.
    permission: ClassVar[str] = ""

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        # `--version` selects updates here; Django's own option of this name gives way.
        return super().create_parser(prog_name, subcommand, conflict_handler="resolve", **kwargs)

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--json", action="store_true", dest="as_json", help="print the result as JSON, for programs"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            invocation = Invocation(
                by=_account(options.get("as_user")),
                as_json=options["as_json"],
                dry_run=options.get("dry_run", False),
                yes=options.get("yes", False),
                reason=options.get("reason", ""),
            )
            if self.permission:
                authorisation.require(self.permission, invocation.by)
            self.run(invocation, options)
        except authorisation.NotPermittedError as error:
            raise CommandError(str(error)) from error
        except DatabaseError as error:
            raise CommandError(
                f"The database does not answer as it should: {error}. "
                "Check DUS_DATABASE_URL and DUS_STATE_DIR, and run `manage.py migrate`."
            ) from error
        except (OSError, store.StoreError) as error:
            raise CommandError(
                f"The storage failed: {error}. Mend it and repeat the command; what was done stays done."
            ) from error

    @abstractmethod
    def run(self, invocation: Invocation, options: Mapping[str, Any]) -> None:
        """Does the work and prints the result. Raises CommandError when any of it was refused."""

    def say(self, text: str) -> None:
        """Tells the person at the terminal, apart from the result."""
        self.stderr.write(text, style_func=str)

    def print_json(self, value: object) -> None:
        """Prints the result of `--json`: one JSON document."""
        self.stdout.write(json.dumps(value, ensure_ascii=False, indent=2))

    def print_table(self, heads: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Prints rows under their heads, in columns as wide as their longest cell."""
        lines = [list(heads), *([str(cell) for cell in row] for row in rows)]
        widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
        for line in lines:
            cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
            self.stdout.write("  ".join(cells).rstrip())

    def confirm(self, invocation: Invocation, question: str) -> None:
        """Goes on when `--yes` was given or the person says yes. Raises CommandError otherwise."""
        if invocation.yes:
            return
        if not sys.stdin.isatty():
            raise CommandError(
                f"{question} There is no terminal to ask at: add --yes to do it, or --dry-run to see what it would do."
            )
        # Not input(): its prompt would go to standard output, among the JSON.
        self.stderr.write(f"{question} [y/N] ", style_func=str, ending="")
        self.stderr.flush()
        if sys.stdin.readline().strip().casefold() not in {"y", "yes"}:
            raise CommandError("Nothing was changed.")


def add_account(parser: CommandParser) -> None:
    """Adds `--as`."""
    parser.add_argument(
        "--as",
        dest="as_user",
        metavar="USER",
        help="act as this account, with its permissions; the ledger names it (default: the operator at the shell)",
    )


def add_acting(parser: CommandParser, *, decision: bool = True) -> None:
    """Adds the options of commands that change something; `decision`: also those of commands that ask first."""
    add_account(parser)
    parser.add_argument("--dry-run", action="store_true", help="say what would happen and change nothing")
    parser.add_argument(
        "--yes", action="store_true", help="do not ask" if decision else "accepted; this command never asks"
    )
    if decision:
        parser.add_argument("--reason", default="", help="why, for the ledger")


def _account(name: str | None) -> User | None:
    if name is None:
        return None
    try:
        return User.objects.get(username=name)
    except User.DoesNotExist as error:
        raise CommandError(
            f"There is no account “{name}”. Name one that can sign in to the console."
        ) from error
