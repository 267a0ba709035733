"""Test devices in the console: the list, the form, and CSV in and out."""

from http import HTTPStatus
from io import BytesIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from devices.identity import IdentifierKind
from devices.models import Device, TestDevice
from tests.builders import make_device, make_user
from updates.admin import test_device_csv, test_device_forms
from updates.models import LedgerEntry
from updates.services import test_devices
from updates.services.test_devices import NewTestDevice

LIST = "/admin/devices/testdevice/"
MAC = "00-15-5D-0A-0B-0C"
pytestmark = pytest.mark.django_db


@pytest.fixture
def olga() -> User:
    return make_user(name="olga", groups=("Operators",))


@pytest.fixture
def operator(olga: User) -> Client:
    client = Client()
    client.force_login(olga)
    return client


@pytest.fixture
def viewer() -> Client:
    client = Client()
    client.force_login(make_user(groups=("Viewers",)))
    return client


def make_test_device(identifier: str = MAC, name: str = "lab phone") -> TestDevice:
    return test_devices.add(NewTestDevice(identifier=identifier, name=name), by=None)


def save(client: Client, identifier: str, *, pk: int | None = None, **values: str) -> Any:
    url = f"{LIST}{pk}/change/" if pk else f"{LIST}add/"
    return client.post(url, {"identifier": identifier, "kind": "", "name": "lab phone", "note": "", **values})


def errors_beside(answer: Any) -> dict[str, list[str]]:
    return dict(answer.context["adminform"].form.errors)


def import_text(client: Client, text: str) -> Any:
    return client.post(f"{LIST}import/", {"text": text})


def export(client: Client, **query: str) -> str:
    answer = client.get(f"{LIST}export/", query)
    assert answer.status_code == HTTPStatus.OK
    return answer.getvalue().decode("utf-8-sig")


def actions() -> list[str]:
    return list(LedgerEntry.objects.order_by("pk").values_list("action", flat=True))


def test_the_list_shows_when_the_device_was_seen_last(viewer: Client) -> None:
    make_test_device()
    make_test_device("00-15-5D-FF-FF-FF", "in the drawer")
    device = make_device(MAC)

    page = viewer.get(LIST).content.decode()

    assert f"/admin/devices/device/{device.pk}/change/" in page
    assert page.count("/admin/devices/device/") == page.count('/admin/devices/device/"') + 1
    assert "in the drawer" in page
    assert "Add test device" not in page


def test_a_serial_number_finds_its_device_too(viewer: Client) -> None:
    make_test_device("SN_42")
    now = timezone.now()
    device = make_device()
    Device.objects.filter(pk=device.pk).update(serial="SN_42", last_seen=now)

    assert f"/admin/devices/device/{device.pk}/change/" in viewer.get(LIST).content.decode()


def test_the_list_costs_the_same_whatever_its_length(
    viewer: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(8):
        make_test_device(f"00-15-5D-00-00-0{number}", f"phone {number}")
        make_device(f"00-15-5D-00-00-0{number}")
    viewer.get(LIST)

    with django_assert_num_queries(8):
        viewer.get(LIST)


@pytest.mark.parametrize("spelling", ["00:15:5d:0a:0b:0c", "00155D0A0B0C", "0015.5d0a.0b0c", "5d0a", "lab"])
def test_a_mac_address_is_found_in_any_spelling(viewer: Client, spelling: str) -> None:
    make_test_device()
    make_test_device("66-66-66-66-66-66", "another")

    page = viewer.get(LIST, {"q": spelling}).content.decode()

    assert MAC in page
    assert "another" not in page


def test_an_identifier_is_kept_in_its_normal_form_and_the_ledger_knows_who(operator: Client) -> None:
    save(operator, " 00155d0a0b0c ", note="room 12")

    device = TestDevice.objects.get()
    assert (device.kind, device.identifier, device.note) == ("mac", MAC, "room 12")
    assert device.added_by is not None
    assert device.added_by.username == "olga"
    assert LedgerEntry.objects.get().actor_name == "olga"


def test_a_serial_number_that_reads_as_a_mac_address_can_be_meant(operator: Client) -> None:
    save(operator, "123456789012", kind="serial")
    assert TestDevice.objects.get().kind == "serial"


@pytest.mark.parametrize(
    ("identifier", "kind", "text"),
    [
        ("00-15-5D", "mac", "six or more"),
        ("00-15:5D-0A-0B-0C", "", "nor a serial number"),
        ("no spaces", "serial", "letters A to Z"),
        ("", "", "required"),
    ],
)
def test_what_is_no_identifier_is_refused_with_the_accepted_forms(
    operator: Client, identifier: str, kind: str, text: str
) -> None:
    answer = save(operator, identifier, kind=kind)

    assert text in errors_beside(answer)["identifier"][0]
    assert not TestDevice.objects.exists()


def test_a_device_that_is_there_is_refused_by_its_name(operator: Client) -> None:
    make_test_device()

    answer = save(operator, "00:15:5D:0A:0B:0C", name="again")

    assert errors_beside(answer) == {"identifier": [f"{MAC} is a test device already, called lab phone."]}
    assert TestDevice.objects.get().name == "lab phone"


def test_who_loses_the_race_is_told_and_nothing_is_added(
    operator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def valid_then_taken(form: test_device_forms.TestDeviceForm) -> NewTestDevice:
        make_test_device(name="the winner")
        return NewTestDevice(identifier=form.cleaned_data["identifier"], name="the loser")

    monkeypatch.setattr(test_device_forms.TestDeviceForm, "new", valid_then_taken)

    answer = operator.post(
        f"{LIST}add/", {"identifier": MAC, "kind": "", "name": "the loser", "note": ""}, follow=True
    )

    assert answer.status_code == HTTPStatus.OK
    assert f"{MAC} is a test device already." in answer.content.decode()
    assert not TestDevice.objects.filter(name="the loser").exists()


def test_a_changed_identifier_is_one_device_removed_and_one_added(operator: Client) -> None:
    device = make_test_device()

    save(operator, "00-15-5D-0A-0B-0D", pk=device.pk, kind="mac", name="moved")

    device.refresh_from_db()
    assert (device.identifier, device.name) == ("00-15-5D-0A-0B-0D", "moved")
    assert actions() == ["test_device_added", "test_device_removed", "test_device_added"]


def test_a_device_removed_meanwhile_is_not_brought_back(
    operator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = make_test_device()

    def valid_then_removed(_form: test_device_forms.TestDeviceForm) -> NewTestDevice:
        raise AssertionError("asked for a device that is gone")

    monkeypatch.setattr(test_device_forms.TestDeviceForm, "new", valid_then_removed)
    clean = test_device_forms.TestDeviceForm.clean

    def clean_then_remove(form: test_device_forms.TestDeviceForm) -> dict[str, Any]:
        cleaned = clean(form)
        test_devices.remove([device], by=None)
        return cleaned

    monkeypatch.setattr(test_device_forms.TestDeviceForm, "clean", clean_then_remove)

    assert save(operator, MAC, pk=device.pk, kind="mac").status_code == HTTPStatus.FOUND
    assert not TestDevice.objects.filter(name="moved").exists()


def test_devices_are_removed_one_by_one_and_in_a_selection(operator: Client) -> None:
    one, two = make_test_device(), make_test_device("SN1", "two")
    kept = make_test_device("SN2", "kept")

    operator.post(f"{LIST}{one.pk}/delete/", {"post": "yes"})
    operator.post(LIST, {"action": "delete_selected", "_selected_action": two.pk, "post": "yes"})

    assert list(TestDevice.objects.all()) == [kept]
    assert actions()[3:] == ["test_device_removed", "test_device_removed"]


def test_a_viewer_reads_and_exports_but_changes_nothing(viewer: Client) -> None:
    device = make_test_device()

    assert viewer.get(f"{LIST}{device.pk}/change/").status_code == HTTPStatus.OK
    assert save(viewer, "SN1").status_code == HTTPStatus.FORBIDDEN
    assert save(viewer, "SN1", pk=device.pk).status_code == HTTPStatus.FORBIDDEN
    assert viewer.post(f"{LIST}{device.pk}/delete/", {"post": "yes"}).status_code == HTTPStatus.FORBIDDEN
    assert import_text(viewer, "SN1").status_code == HTTPStatus.FORBIDDEN
    assert MAC in export(viewer)
    assert list(TestDevice.objects.values_list("identifier", flat=True)) == [MAC]


def test_without_the_permission_nothing_is_seen_or_exported(client: Client) -> None:
    client.force_login(make_user("devices.add_testdevice"))
    assert client.get(LIST).status_code == HTTPStatus.FORBIDDEN
    assert client.get(f"{LIST}export/").status_code == HTTPStatus.FORBIDDEN


def test_pasted_lines_are_added_and_those_there_already_are_counted(operator: Client) -> None:
    make_test_device()

    text = (
        'identifier,name,note\n00:15:5d:0a:0b:0c,again,\n\nSN-7,Reception,"left, of the door"\nsn-7,twice\n'
    )
    page = import_text(operator, text)

    assert page["Location"] == LIST
    assert "1 test device was added. 2 were there already." in operator.get(LIST).content.decode()
    added = TestDevice.objects.get(identifier="SN-7")
    assert (added.name, added.note) == ("Reception", "left, of the door")
    assert TestDevice.objects.get(identifier=MAC).name == "lab phone"


@pytest.mark.parametrize(
    "content",
    [
        "SN-1,受付\n".encode(),
        "SN-1,受付\n".encode("utf-8-sig"),
        "SN-1,受付\r\n".encode("cp932"),
        "SN-1\t受付\r\n".encode("utf-16"),
        "Identifier;Name\r\nSN-1;受付\r\n".encode(),
        "note,name,identifier\n,受付,SN-1\n".encode(),
    ],
)
def test_files_are_read_as_spreadsheets_write_them(operator: Client, content: bytes) -> None:
    operator.post(f"{LIST}import/", {"file": SimpleUploadedFile("devices.csv", content)})
    assert TestDevice.objects.get(identifier="SN-1").name == "受付"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("SN-1,good\nnot one!,bad\nSN-2,good\nneither this,bad", ["Line 2:", "Line 4:"]),
        ("identifier,name\n\nSN-1,good\n???,bad", ["Line 4:"]),
        ('SN-1,"open\nquote', ["Line 2:"]),
        ("SN-1,a,b,mac", ["Line 1: “SN-1” is not a MAC address"]),
        ("SN-1,a,b,phone", ["the kind is mac or serial"]),
        ("SN-1,a,b,,c", ["more columns"]),
        ("SN-1," + "x" * 101, ["at most 100 characters"]),
        ("name,note\nSN-1,x", ["Line 1:"]),
        ("", ["no test device"]),
        ("identifier,name,note", ["no test device"]),
    ],
)
def test_one_bad_line_keeps_all_out_and_every_bad_line_is_named(
    operator: Client, text: str, problem: list[str]
) -> None:
    answer = import_text(operator, text)

    errors = answer.context["form"].errors["text"]
    assert len(errors) == len(problem)
    for part, error in zip(problem, errors, strict=True):
        assert part in error
    assert text.partition(",")[0] in answer.content.decode()
    assert not TestDevice.objects.exists()


def test_too_much_is_refused(operator: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(test_device_csv, "MAX_LINES", 2)
    monkeypatch.setattr(test_device_csv, "MAX_BYTES", 50)
    large = BytesIO(b"SN-1,x\n" * 50)

    assert "more than 2 lines" in import_text(operator, "SN-1\nSN-2\nSN-3").content.decode()
    assert "larger than 50 bytes" in operator.post(f"{LIST}import/", {"file": large}).content.decode()
    assert not TestDevice.objects.exists()


def test_a_file_that_is_no_text_is_refused(operator: Client) -> None:
    answer = operator.post(f"{LIST}import/", {"file": SimpleUploadedFile("devices.csv", b"\x81\xff\xfe\x00")})
    assert "save it as CSV in UTF-8" in answer.content.decode()


def test_a_file_or_lines_not_both(operator: Client) -> None:
    file = SimpleUploadedFile("devices.csv", b"SN-1")
    answer = operator.post(f"{LIST}import/", {"file": file, "text": "SN-2"})
    assert "not both" in answer.content.decode()
    assert not TestDevice.objects.exists()


def test_lines_that_the_service_refuses_are_refused(
    operator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose(*_args: object, **_kwargs: object) -> None:
        raise test_devices.TestDeviceError("somebody was first")

    monkeypatch.setattr(test_devices, "add_all", lose)
    assert "somebody was first" in import_text(operator, "SN-1").content.decode()


def test_the_export_holds_what_the_list_shows(operator: Client) -> None:
    make_test_device()
    make_test_device("SN-9", "受付")

    assert export(operator).splitlines() == [
        "identifier,name,note,kind",
        f"{MAC},lab phone,,mac",
        "SN-9,受付,,serial",
    ]
    assert MAC not in export(operator, q="受付")
    assert operator.post(f"{LIST}export/").status_code == HTTPStatus.METHOD_NOT_ALLOWED


def test_what_was_exported_can_be_imported_and_no_cell_is_a_formula(operator: Client) -> None:
    names = ['=HYPERLINK("http://example.org")', "+1", "-1", "@x", "'=quoted", "plain, with comma"]
    for number, name in enumerate(names):
        make_test_device(f"-SN{number}", name)
    make = NewTestDevice(identifier="123456789012", name="a serial", kind=IdentifierKind.SERIAL)
    test_devices.add(make, by=None)
    before = set(TestDevice.objects.values_list("kind", "identifier", "name", "note"))

    text = export(operator)
    TestDevice.objects.all().delete()
    import_text(operator, text)

    assert set(TestDevice.objects.values_list("kind", "identifier", "name", "note")) == before
    cells = [cell.strip('"') for line in text.splitlines() for cell in line.split(",")]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]
