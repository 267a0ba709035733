import os
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from devices.identity import DeviceTypeKey, IdentityError, normalise_mac, normalise_serial
from updates import protocol
from updates.domain import versions
from updates.management.base import Invocation, ServiceCommand
from updates.simulator.channel import Credentials, Trust
from updates.simulator.fleet import MAX_COUNT, Plan, simulate
from updates.simulator.phone import DAY_SECONDS, IDLE_SECONDS, Habits, Identity
from updates.simulator.report import Report
from updates.simulator.service import Location

_PASSWORD_VARIABLE = "DUS_SIMULATOR_PASSWORD"  # noqa: S105 - the name of the variable, not a password
_PROFILES = {"xml": protocol.XML, "json": protocol.JSON}


class Command(ServiceCommand):
    help = (
        "Plays a phone against a running service: it checks, downloads, waits until it is idle, restarts, and "
        "reports the new version. It speaks only over the network, and needs no database."
    )
    # A phone knows nothing of the service's settings; their problems are not its own.
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        _add_service(parser)
        _add_device(parser)
        _add_habits(parser)

    def run(self, invocation: Invocation, options: Mapping[str, Any]) -> None:
        with ExitStack() as stack:
            flash = options["flash"] or Path(
                stack.enter_context(tempfile.TemporaryDirectory(prefix="phone-"))
            )
            try:
                reports = simulate(_plan(options, flash), tell=self.say)
            except IdentityError as error:
                raise CommandError(f"{error}.") from error
        if invocation.as_json:
            told = [report.as_json() for report in reports]
            self.print_json(told[0] if options["count"] == 1 else told)
        else:
            for report in reports:
                self._tell(report)
        failed = [report for report in reports if report.errors]
        if failed:
            raise CommandError(
                "\n".join(
                    f"{report.mac or report.serial}: {error}" for report in failed for error in report.errors
                )
            )

    def _tell(self, report: Report) -> None:
        self.stdout.write(f"System Information of {report.mac or report.serial}")
        self.stdout.write(f"  version           {report.version or 'unknown'}")
        self.stdout.write(f"  last update       {report.last_update or 'never'}")
        self.stdout.write(f"  previous version  {report.previous_version or 'none'}")


def _add_service(parser: CommandParser) -> None:
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--provisioning", metavar="URL", help="where the service tells its addresses")
    where.add_argument(
        "--url", metavar="URL", help="the request handler itself; an origin gets the usual path"
    )
    parser.add_argument(
        "--outside",
        action="store_true",
        help="the phone is outside the firewall: external addresses, an account",
    )
    parser.add_argument("--profile", choices=sorted(_PROFILES), default="xml", help="default: %(default)s")
    parser.add_argument(
        "--ca", type=Path, metavar="FILE", help="believe the certificates of this issuer (PEM)"
    )
    parser.add_argument("--insecure", action="store_true", help="believe any certificate")
    parser.add_argument(
        "--user",
        default="",
        help=f"who signs in; the password comes from {_PASSWORD_VARIABLE} or --password-file",
    )
    parser.add_argument("--password-file", type=Path, metavar="FILE")


def _add_device(parser: CommandParser) -> None:
    for name, default in (
        ("family", "UCPhone"),
        ("brand", "Polycom"),
        ("model", "CX700"),
        ("revision", "A"),
        ("locale", "ENU"),
        ("version", "1.0.199.123"),
        ("mac", "00-15-5D-00-00-01"),
        ("serial", "SIMULATED"),
    ):
        parser.add_argument(f"--{name}", default=default, help="default: %(default)s")
    parser.add_argument(
        "--count", type=int, default=1, metavar="N", help="so many phones, counted up from --mac and --serial"
    )
    parser.add_argument(
        "--flash",
        type=Path,
        metavar="DIR",
        help="the phone's memory; a second run goes on with it (default: none)",
    )


def _add_habits(parser: CommandParser) -> None:
    parser.add_argument(
        "--checks",
        type=int,
        metavar="N",
        help="switch off after N checks, 0: never; a check after a restart is not counted "
        "(default: at power-on, and at sign-in with --user)",
    )
    parser.add_argument(
        "--interval",
        type=float,
        default=DAY_SECONDS,
        metavar="SECONDS",
        help="between checks, default: %(default)g",
    )
    parser.add_argument(
        "--idle",
        type=float,
        default=IDLE_SECONDS,
        metavar="SECONDS",
        help="before a restart, default: %(default)g",
    )


def _plan(options: Mapping[str, Any], flash: Path) -> Plan:
    """Raises CommandError, IdentityError."""
    for name, minimum in (("count", 1), ("checks", 0), ("interval", 0), ("idle", 0)):
        if options[name] is not None and options[name] < minimum:
            raise CommandError(f"--{name} {options[name]:g}: write a number of at least {minimum}.")
    if options["count"] > MAX_COUNT:
        raise CommandError(f"--count {options['count']}: at most {MAX_COUNT} phones are simulated at once.")
    if not options["mac"] and not options["serial"]:
        raise CommandError("A phone has a MAC address or a serial number; give --mac or --serial.")
    if options["ca"] and not options["ca"].is_file():
        raise CommandError(f"--ca {options['ca']}: there is no such file.")
    return Plan(
        location=Location(
            url=options["url"] or "",
            provisioning=options["provisioning"] or "",
            outside=options["outside"],
            profile=_PROFILES[options["profile"]],
        ),
        first=Identity(
            device_type=DeviceTypeKey.of(
                options["family"], options["brand"], options["model"], options["revision"], options["locale"]
            ),
            mac=normalise_mac(options["mac"]) if options["mac"] else "",
            serial=normalise_serial(options["serial"]) if options["serial"] else "",
        ),
        habits=Habits(
            user=options["user"],
            interval=options["interval"],
            idle=options["idle"],
            checks=options["checks"],
        ),
        flash=flash,
        factory_version=_version(options["version"]),
        count=options["count"],
        trust=Trust(ca=options["ca"], insecure=options["insecure"]),
        credentials=_credentials(options),
    )


def _version(text: str) -> str:
    """The version as it is reported, "" for a phone that does not tell its own. Raises CommandError."""
    try:
        return versions.parse(text) if text else ""
    except versions.VersionError as error:
        raise CommandError(f"--version {text}: {error}.") from error


def _credentials(options: Mapping[str, Any]) -> Credentials | None:
    """Raises CommandError when a user has no password."""
    if not options["user"]:
        return None
    path: Path | None = options["password_file"]
    try:
        password = (
            path.read_text(encoding="utf-8").strip() if path else os.environ.get(_PASSWORD_VARIABLE, "")
        )
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"--password-file {path}: {error}. Name a readable text file.") from error
    if not password and options["outside"]:
        raise CommandError(
            f"{options['user']} has no password: set {_PASSWORD_VARIABLE} or give --password-file."
        )
    return Credentials(options["user"], password) if password else None
