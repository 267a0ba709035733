from collections.abc import Mapping
from typing import Any

from django.core.management.base import CommandError, CommandParser

from devices.identity import IdentifierKind
from devices.models import TestDevice
from updates import authorisation
from updates.management.base import Invocation, ServiceCommand, add_account, add_acting
from updates.services import test_devices
from updates.services.test_devices import NewTestDevice, TestDeviceError

_HEADS = ("identifier", "type", "name", "note")


class Command(ServiceCommand):
    help = "Adds, lists and removes test devices: they are offered pending updates."

    def add_arguments(self, parser: CommandParser) -> None:
        commands = parser.add_subparsers(dest="command", required=True, metavar="add|list|remove")
        add = commands.add_parser("add", help="add a test device")
        self._add_common(add)
        add_acting(add, decision=False)
        add.add_argument("identifier", help="MAC address or serial number")
        _add_kind(add)
        add.add_argument("--name", default="", help="what people call it (default: the identifier)")
        add.add_argument("--note", default="", help="anything worth knowing")
        listing = commands.add_parser("list", help="list test devices")
        self._add_common(listing)
        add_account(listing)
        remove = commands.add_parser("remove", help="remove test devices; the devices are not touched")
        self._add_common(remove)
        add_acting(remove, decision=False)
        remove.add_argument("identifiers", nargs="+", metavar="IDENTIFIER")
        _add_kind(remove)

    def _add_common(self, parser: CommandParser) -> None:
        super().add_arguments(parser)

    def run(self, invocation: Invocation, options: Mapping[str, Any]) -> None:
        match options["command"]:
            case "add":
                self._add(invocation, options)
            case "remove":
                self._remove(invocation, options)
            case _:
                authorisation.require(authorisation.VIEW_TEST_DEVICES, invocation.by)
                self._print(invocation, list(TestDevice.objects.all()))

    def _add(self, invocation: Invocation, options: Mapping[str, Any]) -> None:
        new = NewTestDevice(
            identifier=options["identifier"],
            name=options["name"],
            note=options["note"],
            kind=_kind(options),
        )
        add = test_devices.preview if invocation.dry_run else test_devices.add
        try:
            device = add(new, by=invocation.by)
        except TestDeviceError as error:
            raise CommandError(str(error)) from error
        self._print(invocation, [device], past="added")

    def _remove(self, invocation: Invocation, options: Mapping[str, Any]) -> None:
        found: list[TestDevice] = []
        missing: list[str] = []
        for text in options["identifiers"]:
            device = _find(text, _kind(options))
            if device is None:
                missing.append(text)
            else:
                found.append(device)
        authorisation.require(authorisation.REMOVE_TEST_DEVICE, invocation.by)
        if not invocation.dry_run:
            test_devices.remove(found, by=invocation.by)
        self._print(invocation, found, past="removed")
        if missing:
            raise CommandError(f"No test device: {', '.join(missing)}. `test_device list` shows them.")

    def _print(self, invocation: Invocation, devices: list[TestDevice], *, past: str = "") -> None:
        if invocation.as_json:
            self.print_json(
                [
                    {
                        "identifier": device.identifier,
                        "kind": device.kind,
                        "name": device.name,
                        "note": device.note,
                    }
                    for device in devices
                ]
            )
        elif past:
            would_be = "would be " if invocation.dry_run else ""
            for device in devices:
                self.stdout.write(f"{would_be}{past}: {device}")
        elif devices:
            self.print_table(
                _HEADS, [(device.identifier, device.kind, device.name, device.note) for device in devices]
            )
        else:
            self.stdout.write("no test devices")


def _add_kind(parser: CommandParser) -> None:
    parser.add_argument(
        "--kind",
        choices=[kind.value for kind in IdentifierKind],
        help="default: a MAC address if it reads as one, else a serial number",
    )


def _kind(options: Mapping[str, Any]) -> IdentifierKind | None:
    return IdentifierKind(options["kind"]) if options["kind"] else None


def _find(text: str, kind: IdentifierKind | None) -> TestDevice | None:
    """The test device called `text`. Raises CommandError for what is no identifier."""
    try:
        return test_devices.find(text, kind=kind)
    except TestDeviceError as error:
        raise CommandError(str(error)) from error
