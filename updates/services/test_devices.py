"""Which devices are offered pending updates."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from devices.identity import IdentifierKind, IdentityError, guess, normalise
from devices.models import NAME_LENGTH, NOTE_LENGTH, TestDevice
from updates import authorisation, ledger
from updates.domain.lifecycle import Action


class TestDeviceError(ValueError):
    """A test device that cannot be kept; the text says why and what is accepted."""

    # pytest takes a class of this name for a test.
    __test__ = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTestDevice:
    """A test device as somebody wrote it. Without `kind` it is a MAC address if it reads as one."""

    identifier: str
    name: str
    note: str = ""
    kind: IdentifierKind | None = None


def find(identifier: str, *, kind: IdentifierKind | None = None) -> TestDevice | None:
    """The test device of this identifier, in whichever form it is written.

    Raises TestDeviceError for what is no identifier.
    """
    kind, normal = _normal(identifier, kind)
    return TestDevice.objects.filter(kind=kind.value, identifier=normal).first()


def preview(new: NewTestDevice, *, by: User | None) -> TestDevice:
    """The test device that `add` would add at this moment; nothing is saved. Raises what `add` raises."""
    device = _unsaved(new, by=by)
    if find(device.identifier, kind=IdentifierKind(device.kind)) is not None:
        raise _already(device.identifier)
    return device


def add(new: NewTestDevice, *, by: User | None) -> TestDevice:
    """Adds one test device, its identifier in normal form.

    Raises NotPermittedError; TestDeviceError for an identifier that is none, or is there already.
    """
    device = _unsaved(new, by=by)
    try:
        with transaction.atomic():
            device.save()
            _record(Action.TEST_DEVICE_ADDED, device, by)
    except IntegrityError as error:
        raise _already(device.identifier) from error
    return device


def change(device: TestDevice, new: NewTestDevice, *, by: User | None) -> TestDevice:
    """Changes a test device; in the ledger a new identifier is one device removed and one added.

    Raises NotPermittedError; TestDeviceError as `add` does.
    """
    authorisation.require(authorisation.CHANGE_TEST_DEVICE, by)
    kind, identifier = _identify(new)
    moved = (device.kind, device.identifier) != (kind.value, identifier)
    try:
        with transaction.atomic():
            if moved:
                _record(Action.TEST_DEVICE_REMOVED, device, by)
            device.kind, device.identifier = kind.value, identifier
            device.name, device.note = new.name or identifier, new.note
            device.save()
            if moved:
                _record(Action.TEST_DEVICE_ADDED, device, by)
    except IntegrityError as error:
        raise _already(identifier) from error
    return device


def add_all(new: Sequence[NewTestDevice], *, by: User | None) -> list[TestDevice]:
    """Adds all of `new` or, when one cannot be added, none; those that are there already are skipped.

    Raises NotPermittedError; TestDeviceError that names the line, counted from 1.
    """
    authorisation.require(authorisation.ADD_TEST_DEVICE, by)
    added = []
    with transaction.atomic():
        for line, one in enumerate(new, start=1):
            try:
                kind, identifier = _identify(one)
            except TestDeviceError as error:
                raise TestDeviceError(
                    _("Line %(line)d: %(error)s") % {"line": line, "error": error}
                ) from error
            if not TestDevice.objects.filter(kind=kind.value, identifier=identifier).exists():
                added.append(add(one, by=by))
    return added


def remove(devices: Iterable[TestDevice], *, by: User | None) -> int:
    """Removes test devices, and says how many; at their next check they are offered the approved version.

    Raises NotPermittedError.
    """
    authorisation.require(authorisation.REMOVE_TEST_DEVICE, by)
    count = 0
    with transaction.atomic():
        for device in devices:
            deleted, _rows = TestDevice.objects.filter(pk=device.pk).delete()
            if deleted:
                _record(Action.TEST_DEVICE_REMOVED, device, by)
                count += 1
    return count


def _unsaved(new: NewTestDevice, *, by: User | None) -> TestDevice:
    authorisation.require(authorisation.ADD_TEST_DEVICE, by)
    kind, identifier = _identify(new)
    return TestDevice(
        kind=kind.value, identifier=identifier, name=new.name or identifier, note=new.note, added_by=by
    )


def _already(identifier: str) -> TestDeviceError:
    return TestDeviceError(_("%(identifier)s is a test device already.") % {"identifier": identifier})


def _identify(new: NewTestDevice) -> tuple[IdentifierKind, str]:
    if len(new.name) > NAME_LENGTH:
        raise TestDeviceError(_("The name is longer than %(longest)d characters.") % {"longest": NAME_LENGTH})
    if len(new.note) > NOTE_LENGTH:
        raise TestDeviceError(_("The note is longer than %(longest)d characters.") % {"longest": NOTE_LENGTH})
    return _normal(new.identifier, new.kind)


def _normal(text: str, kind: IdentifierKind | None) -> tuple[IdentifierKind, str]:
    try:
        return guess(text) if kind is None else (kind, normalise(kind, text))
    except IdentityError as error:
        raise TestDeviceError(error.wording.said(_)) from error


def _record(action: Action, device: TestDevice, by: User | None) -> None:
    ledger.record(ledger.Entry(action=action, subject=str(device)), by=by)
    ledger.offers_changed()
