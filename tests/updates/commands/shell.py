"""Runs a command as a shell would, and keeps what it printed and how it ended."""

import io
import json
from dataclasses import dataclass

from django.core.management import call_command
from django.core.management.base import CommandError


@dataclass(frozen=True, slots=True)
class Ended:
    """What a command printed, and the error it ended with ("" when it ended well)."""

    out: str
    err: str
    error: str

    @property
    def json(self) -> object:
        return json.loads(self.out)


class Shell:
    """Calls management commands."""

    def run(self, *arguments: object) -> Ended:
        out, err = io.StringIO(), io.StringIO()
        error = ""
        try:
            call_command(*(str(argument) for argument in arguments), stdout=out, stderr=err)
        except CommandError as raised:
            # A shell would see exit status 1.
            error = str(raised)
        return Ended(out.getvalue(), err.getvalue(), error)
