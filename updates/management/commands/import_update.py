import hashlib
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from updates import authorisation, extraction
from updates.cabinet import CabinetError, inspect
from updates.domain.findings import Level
from updates.management.base import Invocation, ServiceCommand, add_acting
from updates.models import Finding, Package, Update
from updates.publishing import Busy
from updates.services import packages
from updates.store import StoreError

_CHUNK = 1 << 20
_FINISHED = (Package.State.READY, Package.State.FAILED)
# How often a package that a worker is extracting at the same time is looked at.
_LOOK_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class _Refused:
    """A file that was not imported, and why."""

    name: str
    why: str

    def __str__(self) -> str:
        return f"{self.name}: not imported: {self.why}"


@dataclass(frozen=True, slots=True)
class _HeldUp:
    """A package that was taken in, and whose extraction the machine or the storage did not let finish."""

    package: Package
    why: str

    def __str__(self) -> str:
        return (
            f"{self.package.file_name}: package {self.package.pk} is {self.package.state}, but its extraction did not "
            f"finish: {self.why}. It will be tried again by the workers, or by repeating this command."
        )


class Command(ServiceCommand):
    help = "Imports update packages (.cab) and extracts them at once, or hands them to the workers."
    permission = authorisation.UPLOAD

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        add_acting(parser, decision=False)
        parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="update packages")
        parser.add_argument(
            "--queue", action="store_true", help="hand the packages to the workers and do not wait"
        )

    def run(self, invocation: Invocation, options: Mapping[str, Any]) -> None:
        if invocation.dry_run:
            self._preview(invocation, options["files"])
            return
        imported: list[Package] = []
        refused: list[_Refused | _HeldUp] = []
        for path in options["files"]:
            try:
                package = self._submit(invocation, path, queue=options["queue"])
            except (OSError, StoreError, packages.UploadError) as error:
                refused.append(_Refused(str(path), _cause(error)))
                continue
            imported.append(package)
            if not options["queue"]:
                refused += _extract(package)
            if not invocation.as_json:
                self._tell(package)
        if invocation.as_json:
            self.print_json([_as_json(package) for package in imported])
        failed = [package for package in imported if package.state == Package.State.FAILED]
        if failed or refused:
            raise CommandError("\n".join([*map(_failure, failed), *map(str, refused)]))

    def _submit(self, invocation: Invocation, path: Path, *, queue: bool) -> Package:
        """Raises OSError when the file cannot be read or the storage fails, UploadError when it is not taken."""
        with path.open("rb") as file:
            upload = packages.Upload(
                file_name=path.name,
                chunks=iter(lambda: file.read(_CHUNK), b""),
                announced_size=path.stat().st_size,
            )
            submission = packages.submit(upload, by=invocation.by, queue=queue)
        package = submission.package
        if not submission.is_new:
            self.say(f"{path}: these bytes are package {package.pk} already; it is examined again.")
        return package

    def _tell(self, package: Package) -> None:
        updates, unassigned = _updates(package), _unassigned(package)
        self.stdout.write(f"{package.file_name}: package {package.pk}, {package.state}")
        for finding in package.findings.all():
            if finding.level != Level.PASS:
                self.stdout.write(f"  {finding.level}: {_sentence(finding)}")
        for update in updates:
            self.stdout.write(f"  update {update.pk}: {update}, {update.state}")
        if unassigned:
            self.stdout.write(
                f"  {len(unassigned)} unassigned files: {', '.join(unassigned)}. Make an update of them in the console."
            )

    def _preview(self, invocation: Invocation, paths: list[Path]) -> None:
        """Looks at the files without importing them. Raises CommandError when one would be refused."""
        rows: list[dict[str, object]] = []
        refused: list[_Refused] = []
        for path in paths:
            try:
                with path.open("rb") as file:
                    digest = hashlib.file_digest(file, "sha256").hexdigest()
                    members = inspect(file, limits=extraction.limits()).members
            except (OSError, CabinetError) as error:
                refused.append(_Refused(str(path), _cause(error)))
                continue
            known = Package.objects.filter(sha256=digest).first()
            row = _as_json(known) if known else _unknown(digest)
            rows.append({**row, "members": [member.name for member in members]})
            if not invocation.as_json:
                what = (
                    f"is package {known.pk} already, would be examined again"
                    if known
                    else "would be imported"
                )
                self.stdout.write(f"{path}: {what}; {len(members)} members, SHA-256 {digest}")
        if invocation.as_json:
            self.print_json(rows)
        if refused:
            raise CommandError("\n".join(map(str, refused)))


def _extract(package: Package) -> list[_HeldUp]:
    """Extracts the package in this process, and says what held it up; `package` has its new state afterwards."""
    try:
        _finish(package)
    except (OSError, StoreError) as error:
        package.refresh_from_db()
        return [_HeldUp(package, str(error).rstrip("."))]
    return []


def _finish(package: Package) -> None:
    """Works on the package until it is ready or failed; if a worker has it already, waits for the worker.

    Asking again takes over what a killed worker left: its lease ends, and its attempts are counted.
    Raises OSError or StoreError when the machine or the storage fails: the package then waits for its next attempt.
    """
    while True:
        # Busy: another package is importing one of the versions; this one is due again in a moment.
        with suppress(Busy):
            extraction.extract(package.pk)
        package.refresh_from_db()
        if package.state in _FINISHED:
            return
        time.sleep(_LOOK_SECONDS)


def _cause(error: Exception) -> str:
    if isinstance(error, FileNotFoundError | IsADirectoryError | PermissionError) and error.filename:
        return f"{error.strerror}. Name a file that this account can read."
    return str(error)


def _failure(package: Package) -> str:
    finding = package.findings.filter(level=Level.FAILURE).first()
    if finding is None:
        return f"{package.file_name} failed; its page in the console says why."
    return f"{package.file_name} failed: {_sentence(finding)}"


def _sentence(finding: Finding) -> str:
    """The check, the member, the cause and the remedy, e.g. "cabinet (header): this is not a cabinet. Upload ..."."""
    place = f" ({finding.member})" if finding.member else ""
    message = f"{finding.message.rstrip('.')}. {finding.remedy}".rstrip()
    return f"{finding.check_name}{place}: {message}"


def _updates(package: Package) -> list[Update]:
    brought = package.updates.exclude(state=Update.State.IMPORTING).select_related("device_type")
    return list(brought.order_by("pk"))


def _unassigned(package: Package) -> list[str]:
    return list(package.unassigned_files.filter(update__isnull=True).values_list("name", flat=True))


def _as_json(package: Package) -> dict[str, object]:
    return {
        "package": package.pk,
        "sha256": package.sha256,
        "state": package.state,
        "updates": [update.pk for update in _updates(package)],
        "unassigned": _unassigned(package),
        "findings": [
            {
                "level": finding.level,
                "check": finding.check_name,
                "member": finding.member,
                "message": finding.message,
            }
            for finding in package.findings.all()
        ],
    }


def _unknown(sha256: str) -> dict[str, object]:
    """What `_as_json` says of a package, for bytes that were never imported."""
    return {
        "package": None,
        "sha256": sha256,
        "state": None,
        "updates": [],
        "unassigned": [],
        "findings": [],
    }
