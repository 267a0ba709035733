"""What becomes of a package: its updates, its unassigned files, and what its findings say."""

import hashlib

import pytest
from pytest_django import Settings

from devices.identity import DeviceTypeKey
from devices.models import DeviceType
from tests.builders import CX700, make_user, member_path
from tests.cabs import cab, need_samples
from tests.updates.extraction.helpers import (
    actions,
    extracted,
    extracted_again,
    findings,
    kept,
    scratch,
    states,
    stored,
)
from updates import catalogue, store
from updates.models import LedgerEntry, Package, UnassignedFile, Update, UpdateFile
from updates.services import decisions, packages

pytestmark = pytest.mark.django_db

IP8540 = DeviceTypeKey("UCPhone", "LG-Nortel", "IP8540", "A", "ENU")
CX700_CPE = f"{CX700} CPE"


def sample(name: str) -> bytes:
    return (need_samples() / "uc" / name).read_bytes()


def an_update(version: str = "1.0.522.101", image: bytes = b"image") -> list[tuple[str, bytes]]:
    return [
        (member_path("CPE.nbt", version=version), image),
        (member_path("CPE.cat", version=version), b"signature"),
    ]


def description(version: str, *names: str) -> bytes:
    files = "".join(f'<File name="{name}"/>' for name in names)
    return (
        '<UpdatePackage schemaVersion="1"><Update family="UCPhone" brand="Polycom" model="CX700" revision="A" '
        f'locale="ENU" updateType="CPE" version="{version}">{files}</Update></UpdatePackage>'
    ).encode()


@pytest.mark.parametrize(
    ("name", "version", "updates"),
    [
        ("UCUpdates-1.0.522.101.cab", "1.0.522.101", 3),
        ("UCUpdates-3.5.6907.35.cab", "3.5.6907.35", 3),
        ("UCUpdates-3.5.6907.187-nested.cab", "3.5.6907.187", 2),
    ],
)
def test_every_update_of_a_vendors_package_is_pending_with_its_files(
    name: str, version: str, updates: int
) -> None:
    package = extracted(sample(name))

    assert package.state == Package.State.READY
    assert set(states().values()) == {"pending"}
    assert len(states()) == updates
    assert states()[f"{CX700_CPE} {version}"] == "pending"
    assert findings(package, "failure") == findings(package, "warning") == []
    assert len([check for check, _ in findings(package, "pass") if check == "publish"]) == updates
    assert scratch() == []


def test_the_store_has_the_bytes_that_the_rows_promise() -> None:
    package = extracted(sample("UCUpdates-1.0.522.101.cab"))

    files = UpdateFile.objects.filter(update__package=package)
    assert sorted(stored()) == sorted(file.path for file in files)
    for file in files:
        with store.storage().open(file.path) as stream:
            content = stream.read()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (file.size, file.sha256)


def test_files_that_name_no_device_type_are_kept_to_be_assigned() -> None:
    package = extracted(sample("flat-unmapped-4.0.7577.4066.cab"))

    assert package.state == Package.State.READY
    assert Update.objects.count() == 0
    assert stored() == []
    files = list(package.unassigned_files.all())
    assert sorted(file.name for file in files) == ["CPE.cat", "CPE.nbt", "readme.txt"]
    assert kept() == sorted(file.stored_as.removeprefix("unassigned/") for file in files)


def test_an_update_is_made_of_unassigned_files() -> None:
    package = extracted(sample("flat-unmapped-4.0.7577.4066.cab"))
    chosen = package.unassigned_files.filter(name__startswith="CPE")

    update = packages.assign(
        packages.Assignment(
            package_id=package.pk,
            file_ids=[file.pk for file in chosen],
            device_type=CX700,
            update_type="CPE",
            version="4.0.7577.4066",
        ),
        by=None,
    )

    assert states() == {f"{CX700_CPE} 4.0.7577.4066": "pending"}
    assert sorted(stored()) == sorted(file.path for file in update.files.all())
    assert list(package.unassigned_files.filter(update=update)) == list(chosen)


def test_examining_a_package_again_forgets_no_assignment_and_doubles_no_file() -> None:
    package = extracted(cab([("CPE.nbt", b"image"), ("readme.txt", b"hello")]))
    assignment = packages.Assignment(
        package_id=package.pk,
        file_ids=[package.unassigned_files.get(name="CPE.nbt").pk],
        device_type=CX700,
        update_type="CPE",
        version="4.0.7577.4066",
    )
    update = packages.assign(assignment, by=None)

    assert packages.examine_again(package, by=None, queue=False)
    extracted_again(package)

    assert package.state == Package.State.READY
    assert package.unassigned_files.count() == 2
    assert package.unassigned_files.get(name="CPE.nbt").update == update


def test_a_mixture_brings_described_updates_updates_by_path_and_unassigned_files() -> None:
    inner = cab([("image.bin", b"other image"), ("update.xml", description("2.0.0.1", "image.bin"))])
    package = extracted(cab([*an_update(), ("inner.cab", inner), ("notes.txt", b"notes")], method="none"))

    assert package.state == Package.State.READY
    # Both are of one device type: the higher version is what is pending.
    assert states() == {f"{CX700_CPE} 1.0.522.101": "superseded", f"{CX700_CPE} 2.0.0.1": "pending"}
    assert [file.name for file in package.unassigned_files.all()] == ["notes.txt"]
    assert ("unassigned", "notes.txt") in findings(package, "warning")


def test_of_two_versions_in_one_package_the_higher_is_pending() -> None:
    package = extracted(cab([*an_update("10.0.0.1"), *an_update("9.0.0.1")]))

    assert states() == {f"{CX700_CPE} 9.0.0.1": "superseded", f"{CX700_CPE} 10.0.0.1": "pending"}
    assert findings(package, "warning") == []
    messages = set(package.findings.filter(check_name="publish").values_list("message", flat=True))
    assert messages == {f"{CX700_CPE} 9.0.0.1 is superseded", f"{CX700_CPE} 10.0.0.1 is pending"}


def test_one_file_may_belong_to_two_updates() -> None:
    files = [("image.bin", b"image"), ("update.xml", b"")]
    both = description("1.0.0.1", "image.bin").replace(
        b"</UpdatePackage>",
        description("2.0.0.1", "image.bin").partition(b'schemaVersion="1">')[2],
    )
    files[1] = ("update.xml", both)

    package = extracted(cab(files))

    assert package.state == Package.State.READY
    assert [path.split("/")[5] for path in stored()] == ["1.0.0.1", "2.0.0.1"]


def test_the_same_update_in_another_package_changes_nothing_and_says_so() -> None:
    extracted(cab(an_update()))
    before = Update.objects.get()

    package = extracted(cab([*an_update(), ("readme.txt", b"again")]))

    assert package.state == Package.State.READY
    assert Update.objects.get() == before
    assert ("duplicate", "") in findings(package, "warning")
    assert actions().count("imported") == 1


def test_other_bytes_for_a_version_that_exists_are_refused_and_change_nothing() -> None:
    extracted(cab(an_update(image=b"image")))
    before = stored()

    package = extracted(cab([*an_update(image=b"forged"), (member_path(key=IP8540), b"new")]))

    assert package.state == Package.State.FAILED
    assert ("conflict", "CPE.nbt") in findings(package, "failure")
    assert package.findings.get(level="failure").remedy
    assert stored() == before
    assert states() == {f"{CX700_CPE} 1.0.522.101": "pending"}
    assert not DeviceType.objects.filter(folded=IP8540.folded).exists()
    with store.storage().open(UpdateFile.objects.get(name="CPE.nbt").path) as file:
        assert file.read() == b"image"


def test_a_lower_version_than_the_pending_one_becomes_pending_with_a_warning() -> None:
    extracted(cab(an_update("2.0.0.1")))

    package = extracted(cab(an_update("1.0.0.1")))

    assert states() == {f"{CX700_CPE} 2.0.0.1": "superseded", f"{CX700_CPE} 1.0.0.1": "pending"}
    assert ("version", "") in findings(package, "warning")


def test_a_removed_update_comes_back_when_its_package_is_uploaded_again() -> None:
    content = cab(an_update())
    extracted(content)
    update = Update.objects.get()
    decisions.reject([update.pk], by=None)
    decisions.remove([update.pk], by=None)
    assert stored() == []

    package = extracted(content)

    assert Package.objects.count() == 1
    assert package.state == Package.State.READY
    assert states() == {f"{CX700_CPE} 1.0.522.101": "pending"}
    assert len(stored()) == 2


def test_what_was_imported_stands_in_the_ledger_under_the_uploaders_name() -> None:
    mina = make_user("updates.add_package", name="mina")
    upload = packages.Upload(file_name="package.cab", chunks=[cab(an_update())])
    package = packages.submit(upload, by=mina, queue=False).package

    extracted_again(package)

    entry = LedgerEntry.objects.get(action="imported")
    assert (entry.actor_name, entry.package_number) == ("mina", package.pk)


def bad_packages() -> list[object]:
    whole = cab([*an_update(), ("readme.txt", b"hello")])
    flipped = bytearray(whole)
    flipped[-3] ^= 0xFF
    long = member_path(version="1." + "0" * 20)
    return [
        pytest.param(b"PK\x03\x04 not a cabinet", "cabinet", id="no cabinet"),
        pytest.param(whole[:-5], "cabinet", id="cut off"),
        pytest.param(bytes(flipped), "cabinet", id="damaged"),
        pytest.param(
            cab([*an_update(), ("inner.cab", cab(an_update("2.0"))[:-3])]), "cabinet", id="bad inner"
        ),
        pytest.param(cab([*an_update(), (long, b"x")]), "version", id="long version"),
        pytest.param(
            cab([*an_update(), ("u.xml", description("1.0", "no.bin"))]), "description", id="missing"
        ),
        pytest.param(
            cab([("x/" + member_path(), b"1"), ("y/" + member_path(), b"2")]),
            "conflict",
            id="twice",
        ),
    ]


@pytest.mark.parametrize(("content", "check"), bad_packages())
def test_of_a_bad_package_nothing_remains_but_the_reason(content: bytes, check: str) -> None:
    package = extracted(content, file_name="bad.cab")

    assert package.state == Package.State.FAILED
    assert package.finished_at is not None
    assert check in {name for name, _ in findings(package, "failure")}
    assert all(row.remedy or row.member for row in package.findings.filter(level="failure"))
    assert Update.objects.count() == UnassignedFile.objects.count() == 0
    assert stored() == kept() == scratch() == []
    entry = LedgerEntry.objects.get(action="package_failed")
    assert (entry.subject, entry.actor_name) == ("bad.cab", "system")
    assert entry.reason


def test_a_failed_package_may_be_examined_again_and_gives_the_same_verdict_once() -> None:
    package = extracted(b"MSCF no")

    assert packages.examine_again(package, by=None, queue=False)
    extracted_again(package)

    assert package.state == Package.State.FAILED
    assert package.findings.count() == 1


def test_a_package_that_is_done_is_left_alone() -> None:
    package = extracted(cab(an_update()))
    before = actions()

    extracted_again(package)

    assert package.attempts == 1
    assert actions() == before


def test_a_signature_that_a_description_names_is_kept_and_offered() -> None:
    described = """<UpdatePackage schemaVersion="1"><Update family="UCPhone" brand="Polycom" model="CX700" revision="A"
        locale="ENU" updateType="CPE" version="4.0"><File name="CPE.nbt" signature="vendor/signed.cat"/>
        <File name="CPE.cat"/></Update></UpdatePackage>"""
    members = [("CPE.nbt", b"image"), ("CPE.cat", b"by name"), ("vendor/signed.cat", b"by the description")]

    package = extracted(cab([("package.xml", described.encode()), *members]))

    update = package.updates.get()
    assert update.files.get(name="CPE.nbt").signature == "signed.cat"
    decisions.approve([update.pk], by=None)
    (line,) = catalogue.Catalogue().current().lines[CX700.folded]
    assert line.approved is not None
    modules = {module.file: module.signature for module in line.approved.modules}
    assert modules["CPE.nbt"] == "signed.cat"


def test_a_package_with_too_many_updates_fails_before_it_writes_any(settings: Settings) -> None:
    settings.DUS_LIMITS = settings.DUS_LIMITS | {"updates": 1}

    package = extracted(cab([*an_update("1.0"), *an_update("2.0")]))

    assert package.state == Package.State.FAILED
    assert ("updates", "") in findings(package, "failure")
    assert not Update.objects.exists()
    assert stored() == []
