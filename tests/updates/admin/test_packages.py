"""Packages in the console: the list, the page of each, progress, and making updates of unassigned files."""

import hashlib
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from devices.models import DeviceType
from tests.builders import make_package, make_update, make_user
from updates import store
from updates.admin import packages as package_pages
from updates.domain.lifecycle import State
from updates.models import Finding, LedgerEntry, Package, UnassignedFile, Update

LIST = "/admin/updates/package/"
pytestmark = pytest.mark.django_db
WRITTEN = {"family": "UCPhone", "brand": "Polycom", "model": "CX600", "revision": "A", "locale": "ENU"}


def url(package: Package, part: str = "change") -> str:
    return f"{LIST}{package.pk}/{part}/"


def make_finding(package: Package, level: str, message: str = "as it should be", remedy: str = "") -> Finding:
    return Finding.objects.create(
        package=package, level=level, check_name="members", member="a/b.nbt", message=message, remedy=remedy
    )


def make_unassigned(package: Package, name: str = "CPE.nbt", content: bytes = b"image") -> UnassignedFile:
    sha256 = hashlib.sha256(content).hexdigest()
    stored_as = default_storage.save(f"unassigned/{sha256}", ContentFile(content))
    return UnassignedFile.objects.create(
        package=package, name=name, size=len(content), sha256=sha256, stored_as=stored_as
    )


@pytest.fixture
def operator() -> Client:
    client = Client()
    client.force_login(make_user(name="olga", groups=("Operators",)))
    return client


@pytest.fixture
def viewer() -> Client:
    client = Client()
    client.force_login(make_user(groups=("Viewers",)))
    return client


def assign(client: Client, package: Package, *files: UnassignedFile, **values: Any) -> Any:
    data = {"members": [file.pk for file in files], "update_type": "CPE", "version": "4.0.7577.4066"} | values
    return client.post(url(package, "assign"), data)


def errors_beside(answer: Any) -> dict[str, list[str]]:
    return dict(answer.context["form"].errors)


def test_the_list_shows_state_findings_and_number_of_updates(viewer: Client) -> None:
    package = make_package(file_name="UCUpdates.cab")
    make_finding(package, "warning")
    make_finding(package, "pass")
    make_finding(package, "pass")
    make_update(package=package)
    make_update("2.0", State.IMPORTING, package=package)

    page = viewer.get(LIST).content.decode()

    assert "UCUpdates.cab" in page
    assert '<span class="badge ready">Ready</span>' in page
    assert "1 warning, 2 passed" in page
    assert '<td class="field-updates_shown">1</td>' in page
    assert "Upload packages" not in page


def test_the_list_costs_the_same_whatever_its_length(
    viewer: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(8):
        make_finding(make_package(), "failure")
    viewer.get(LIST)

    with django_assert_num_queries(8):
        viewer.get(LIST)


def test_packages_are_found_by_name_and_hash_and_filtered_by_state(viewer: Client) -> None:
    good = make_package(file_name="good.cab")
    make_package(file_name="bad.cab", state=Package.State.FAILED)

    assert "bad.cab" not in viewer.get(LIST, {"q": good.sha256[:12]}).content.decode()
    assert "good.cab" not in viewer.get(LIST, {"state__exact": "failed"}).content.decode()
    assert "Nothing matches" in viewer.get(LIST, {"q": "nowhere"}).content.decode()


def test_progress_says_how_far_a_package_is_in_five_queries(
    viewer: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    package = make_package()
    make_finding(package, "pass")
    make_finding(package, "failure")
    now = timezone.now()
    Package.objects.update(
        state="extracting", claimed_at=now, lease_until=now, done_bytes=300, total_bytes=1200
    )
    viewer.get(url(package, "progress"))

    with django_assert_num_queries(5):
        answer = viewer.get(url(package, "progress"))

    assert answer.json() == {
        "state": "extracting",
        "state_label": "Extracting",
        "done": 300,
        "total": 1200,
        "findings": {"pass": 1, "warning": 0, "failure": 1},
        "updates": 0,
    }
    assert "no-store" in answer["Cache-Control"]


def test_progress_refuses_in_json(client: Client, viewer: Client) -> None:
    package = make_package()
    nobody = Client()
    nobody.force_login(make_user())

    assert client.get(url(package, "progress")).status_code == HTTPStatus.UNAUTHORIZED
    assert nobody.get(url(package, "progress")).status_code == HTTPStatus.FORBIDDEN
    assert "error" in viewer.get(f"{LIST}999999/progress/").json()
    assert viewer.post(url(package, "progress")).status_code == HTTPStatus.METHOD_NOT_ALLOWED


def test_the_page_shows_findings_updates_files_and_history(viewer: Client) -> None:
    package = make_package()
    make_finding(package, "failure", "the checksum is wrong", "pack it again")
    update = make_update(package=package)
    make_unassigned(package, "flat.nbt")
    LedgerEntry.objects.create(
        at=timezone.now(),
        action="package_uploaded",
        actor_name="olga",
        subject=package.file_name,
        package_number=package.pk,
    )

    page = viewer.get(url(package)).content.decode()

    for text in (package.sha256, "the checksum is wrong", "pack it again", "flat.nbt", "olga"):
        assert text in page
    assert f"/admin/updates/update/{update.pk}/change/" in page
    assert "Make a pending update" not in page
    assert "Examine again" not in page


def test_the_page_of_a_package_costs_the_same_however_much_it_holds(
    operator: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    package = make_package()
    for number in range(6):
        make_finding(package, "pass")
        make_update(f"1.{number}", State.SUPERSEDED, package=package)
        make_unassigned(package, f"{number}.nbt", b"%d" % number)
    operator.get(url(package))

    with django_assert_num_queries(13):
        operator.get(url(package))


def test_a_page_that_does_not_exist_is_not_found(viewer: Client) -> None:
    assert viewer.get(f"{LIST}999999/change/").status_code == HTTPStatus.NOT_FOUND
    assert viewer.get(f"{LIST}x/change/").status_code == HTTPStatus.NOT_FOUND


def test_history_leads_to_the_ledger_on_the_page(viewer: Client) -> None:
    package = make_package()
    assert viewer.get(url(package, "history"))["Location"] == url(package) + "#ledger"


def test_packages_are_neither_changed_nor_deleted_by_hand(client: Client) -> None:
    client.force_login(make_user(groups=("Administrators",)))
    package = make_package(file_name="kept.cab")

    assert client.post(url(package), {"file_name": "x"}).status_code == HTTPStatus.METHOD_NOT_ALLOWED
    assert client.post(url(package, "delete"), {"post": "yes"}).status_code == HTTPStatus.FORBIDDEN
    client.post(LIST, {"action": "delete_selected", "_selected_action": package.pk, "post": "yes"})

    package.refresh_from_db()
    assert package.file_name == "kept.cab"


def test_without_the_permission_to_see_them_there_are_no_packages(client: Client) -> None:
    package = make_package()
    client.force_login(make_user("updates.add_package"))

    assert client.get(LIST).status_code == HTTPStatus.FORBIDDEN
    assert client.get(url(package)).status_code == HTTPStatus.FORBIDDEN


@pytest.mark.parametrize("state", [Package.State.FAILED, Package.State.READY])
def test_a_finished_package_is_examined_again(operator: Client, state: Package.State) -> None:
    package = make_package(state=state)

    operator.post(url(package, "examine"))

    package.refresh_from_db()
    assert package.state == Package.State.UPLOADED


def test_a_package_that_waits_is_not_queued_twice(operator: Client) -> None:
    package = make_package(state=Package.State.UPLOADED)

    page = operator.post(url(package, "examine"), follow=True).content.decode()

    assert "waiting or being extracted already" in page


def test_examining_and_assigning_need_the_permission_and_a_post(viewer: Client, operator: Client) -> None:
    package = make_package()
    file = make_unassigned(package)

    assert viewer.post(url(package, "examine")).status_code == HTTPStatus.FORBIDDEN
    assert assign(viewer, package, file, **WRITTEN).status_code == HTTPStatus.FORBIDDEN
    assert operator.get(url(package, "examine")).status_code == HTTPStatus.METHOD_NOT_ALLOWED
    assert operator.get(url(package, "assign")).status_code == HTTPStatus.METHOD_NOT_ALLOWED

    package.refresh_from_db()
    assert package.state == Package.State.READY
    assert not Update.objects.exists()


def test_chosen_files_become_a_pending_update_of_a_written_device_type(operator: Client) -> None:
    package = make_package()
    image, other = make_unassigned(package, "sub/CPE.nbt"), make_unassigned(package, "notes.txt", b"notes")

    answer = assign(operator, package, image, **WRITTEN, version=" 4.0.7577.4066 ")

    update = Update.objects.get()
    assert answer["Location"] == url(package) + "#updates"
    assert (str(update), update.state) == ("UCPhone / Polycom / CX600 / A / ENU CPE 4.0.7577.4066", "pending")
    with store.storage().open(f"{update.folder}/CPE.nbt") as file:
        assert file.read() == b"image"
    image.refresh_from_db()
    other.refresh_from_db()
    assert image.update == update
    assert other.update is None
    assert LedgerEntry.objects.get(action="imported").actor_name == "olga"
    assert "sub/CPE.nbt" in operator.get(url(package)).content.decode()


def test_a_known_device_type_is_chosen_instead_of_written(operator: Client) -> None:
    package = make_package()
    known = make_update().device_type

    assign(operator, package, make_unassigned(package), device_type=known.pk)

    assert Update.objects.get(version="4.0.7577.4066").device_type == known


@pytest.mark.parametrize(
    ("values", "field", "text"),
    [
        ({"version": "4.0 beta"}, "version", "characters"),
        ({"version": "1." * 12 + "1"}, "version", "at most 20"),
        ({"version": ""}, "version", "required"),
        ({"update_type": "C/PE"}, "update_type", "The update type has one of"),
        ({"brand": ""}, "brand", "is empty"),
        ({"model": "CX:600"}, "model", "has one of"),
        ({"locale": "x" * 65}, "locale", "at most 64"),
        (dict.fromkeys(WRITTEN, ""), "device_type", "or write the five parts"),
        ({"device_type": "999999"}, "device_type", "valid choice"),
        ({"members": []}, "members", "at least one"),
        ({"members": ["999999"]}, "members", "assigned in the meantime"),
    ],
)
def test_what_is_wrong_stands_beside_its_field_and_nothing_is_made(
    operator: Client, values: dict[str, Any], field: str, text: str
) -> None:
    package = make_package()
    file = make_unassigned(package)

    answer = assign(operator, package, file, **WRITTEN | values)

    assert text in errors_beside(answer)[field][0]
    assert not Update.objects.exists()
    if field != "members":
        assert f'value="{file.pk}"' in answer.content.decode()
        assert "checked" in answer.content.decode()


def test_a_device_type_is_chosen_or_written_not_both(operator: Client) -> None:
    package = make_package()
    known = make_update().device_type

    answer = assign(operator, package, make_unassigned(package), device_type=known.pk, **WRITTEN)

    assert "not both" in errors_beside(answer)["device_type"][0]
    assert DeviceType.objects.count() == 1


def test_a_version_that_exists_with_other_bytes_is_refused(operator: Client) -> None:
    package = make_package()
    known = make_update("4.0.7577.4066").device_type

    answer = assign(operator, package, make_unassigned(package), device_type=known.pk)

    assert "never changes its bytes" in errors_beside(answer)["__all__"][0]
    assert Update.objects.count() == 1


def test_a_package_that_is_examined_again_has_no_files_to_assign(operator: Client) -> None:
    package = make_package(state=Package.State.UPLOADED)

    answer = assign(operator, package, make_unassigned(package), **WRITTEN)

    assert "being examined again" in errors_beside(answer)["__all__"][0]
    assert not Update.objects.exists()


def test_a_sick_store_makes_no_update(operator: Client, files_of_its_own: Path) -> None:
    package = make_package()
    file = make_unassigned(package)
    (files_of_its_own / "store").write_text("a file where the folder should be")

    answer = assign(operator, package, file, **WRITTEN)

    assert "nothing was changed" in errors_beside(answer)["__all__"][0]
    assert not Update.objects.exclude(state=State.IMPORTING).exists()
    file.refresh_from_db()
    assert file.update is None


def test_only_as_many_files_are_shown_as_a_form_can_send(
    operator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(package_pages, "SHOWN_FILES", 2)
    package = make_package()
    for number in range(5):
        make_unassigned(package, f"{number}.nbt", b"%d" % number)

    page = operator.get(url(package)).content.decode()

    assert page.count('name="members"') == 2
    assert "3 more files" in page
