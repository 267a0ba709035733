"""Who is a test device is decided in one place, and every decision is in the ledger."""

import pytest

from devices.identity import IdentifierKind
from devices.models import TestDevice
from tests.builders import make_user
from updates.authorisation import NotPermittedError
from updates.models import LedgerEntry, ServiceState
from updates.services import test_devices
from updates.services.test_devices import NewTestDevice, TestDeviceError

pytestmark = pytest.mark.django_db

MAC = "00-15-5D-0A-0B-0C"


def actions() -> list[str]:
    return list(LedgerEntry.objects.order_by("pk").values_list("action", flat=True))


def identifiers() -> set[str]:
    return set(TestDevice.objects.values_list("identifier", flat=True))


def generation() -> int:
    return ServiceState.objects.get(pk=1).generation


@pytest.mark.parametrize("written", ["00155d0a0b0c", "00:15:5d:0a:0b:0c", " 00-15-5D-0A-0B-0C "])
def test_a_mac_address_is_kept_in_one_form_however_it_is_written(written: str) -> None:
    before = generation()

    device = test_devices.add(
        NewTestDevice(identifier=written, name="Desk 4"), by=make_user(groups=("Operators",))
    )

    assert (device.kind, device.identifier, device.name) == ("mac", MAC, "Desk 4")
    assert actions() == ["test_device_added"]
    assert generation() == before + 1


def test_what_reads_as_no_mac_address_is_a_serial_number() -> None:
    device = test_devices.add(NewTestDevice(identifier="pc-0042_a", name=""), by=None)

    assert (device.kind, device.identifier, device.name) == ("serial", "PC-0042_A", "PC-0042_A")


@pytest.mark.parametrize(
    "new",
    [
        NewTestDevice(identifier="00-15-5D-0A-0B", name="five pairs", kind=IdentifierKind.MAC),
        NewTestDevice(identifier="no spaces please", name="x"),
        NewTestDevice(identifier="", name="x"),
        NewTestDevice(identifier=MAC, name="x" * 101),
        NewTestDevice(identifier=MAC, name="x", note="x" * 1001),
    ],
)
def test_what_cannot_be_kept_is_refused_and_changes_nothing(new: NewTestDevice) -> None:
    before = generation()

    with pytest.raises(TestDeviceError):
        test_devices.add(new, by=None)

    assert identifiers() == set()
    assert actions() == []
    assert generation() == before


def test_a_device_is_a_test_device_once() -> None:
    test_devices.add(NewTestDevice(identifier=MAC, name="first"), by=None)

    with pytest.raises(TestDeviceError, match="is a test device already"):
        test_devices.add(NewTestDevice(identifier="00155D0A0B0C", name="second"), by=None)

    assert actions() == ["test_device_added"]


def test_a_new_identifier_is_one_device_removed_and_one_added() -> None:
    device = test_devices.add(NewTestDevice(identifier=MAC, name="Desk 4"), by=None)

    test_devices.change(device, NewTestDevice(identifier="SN1", name="Desk 4"), by=None)

    assert identifiers() == {"SN1"}
    assert actions() == ["test_device_added", "test_device_removed", "test_device_added"]


def test_a_new_name_changes_nothing_that_devices_are_offered() -> None:
    device = test_devices.add(NewTestDevice(identifier=MAC, name="Desk 4"), by=None)
    before = generation()

    test_devices.change(device, NewTestDevice(identifier=MAC, name="Desk 5"), by=None)

    device.refresh_from_db()
    assert device.name == "Desk 5"
    assert generation() == before


def test_of_a_list_all_are_added_or_none() -> None:
    test_devices.add(NewTestDevice(identifier=MAC, name="there already"), by=None)
    good = [NewTestDevice(identifier=MAC, name="again"), NewTestDevice(identifier="SN1", name="new")]

    with pytest.raises(TestDeviceError, match="Line 3"):
        test_devices.add_all([*good, NewTestDevice(identifier="not one", name="bad")], by=None)
    assert identifiers() == {MAC}

    assert [device.identifier for device in test_devices.add_all(good, by=None)] == ["SN1"]
    assert identifiers() == {MAC, "SN1"}


def test_a_removed_device_is_one_no_more() -> None:
    device = test_devices.add(NewTestDevice(identifier=MAC, name="Desk 4"), by=None)

    assert test_devices.remove([device, device], by=None) == 1

    assert identifiers() == set()
    assert actions() == ["test_device_added", "test_device_removed"]


def test_without_the_permission_nothing_changes() -> None:
    device = test_devices.add(NewTestDevice(identifier=MAC, name="Desk 4"), by=None)
    approver = make_user(groups=("Approvers",))
    other = NewTestDevice(identifier="SN1", name="other")

    with pytest.raises(NotPermittedError):
        test_devices.add(other, by=approver)
    with pytest.raises(NotPermittedError):
        test_devices.add_all([other], by=approver)
    with pytest.raises(NotPermittedError):
        test_devices.change(device, other, by=approver)
    with pytest.raises(NotPermittedError):
        test_devices.remove([device], by=approver)

    assert identifiers() == {MAC}
    assert actions() == ["test_device_added"]
