from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from updates.domain.description import MAX_SIZE
from updates.domain.findings import Finding, Level
from updates.domain.manifest import Manifest, MemberFile, plan, signature_for

CX700 = "UCPhone/Polycom/CX700/A/ENU/1.0.522.101/CPE"
UPDATE = 'family="UCPhone" brand="Polycom" model="CX700" revision="A" locale="ENU" updateType="CPE" version="1.0.522.101"'


@dataclass
class Package:
    """Members in the order they were added, and what was read of them."""

    members: list[MemberFile] = field(default_factory=list)
    contents: list[bytes] = field(default_factory=list)
    read: list[str] = field(default_factory=list)

    def add(
        self, name: str, data: bytes = b"image", *, cabinet: str = "", size: int | None = None
    ) -> "Package":
        digest = sha256(data).hexdigest()
        length = len(data) if size is None else size
        self.members.append(
            MemberFile(len(self.members), cabinet, name, length, digest, datetime(2021, 10, 5, tzinfo=UTC))
        )
        self.contents.append(data)
        return self

    def describe(self, body: str, *, name: str = "package.xml", cabinet: str = "") -> "Package":
        text = f'<?xml version="1.0" encoding="utf-8"?>\n<UpdatePackage schemaVersion="1">\n{body}\n</UpdatePackage>'
        return self.add(name, text.encode(), cabinet=cabinet)

    def _read(self, index: int) -> bytes:
        self.read.append(self.members[index].name)
        return self.contents[index]

    def plan(self) -> Manifest:
        return plan(self.members, self._read)


def problems(manifest: Manifest, level: Level = Level.FAILURE) -> list[Finding]:
    return [finding for finding in manifest.findings if finding.level is level]


def the_problem(manifest: Manifest, level: Level = Level.FAILURE) -> Finding:
    (found,) = problems(manifest, level)
    return found


def files_of(manifest: Manifest) -> dict[str, dict[str, str]]:
    return {
        f"{update.device_type.path}/{update.version}/{update.update_type}": {
            file.name: file.signature for file in update.files
        }
        for update in manifest.updates
    }


def test_members_in_the_layout_of_the_store_become_updates() -> None:
    package = Package()
    for model in ("Polycom/CX700", "LG-Nortel/IP8540"):
        for name in ("CPE.nbt", "CPE.cat"):
            package.add(f"UCPhone/{model}/A/ENU/1.0.522.101/CPE/{name}", name.encode())
    manifest = package.plan()
    assert not manifest.failed
    assert files_of(manifest) == {
        "UCPhone/LG-Nortel/IP8540/A/ENU/1.0.522.101/CPE": {"CPE.cat": "", "CPE.nbt": "CPE.cat"},
        "UCPhone/Polycom/CX700/A/ENU/1.0.522.101/CPE": {"CPE.cat": "", "CPE.nbt": "CPE.cat"},
    }
    assert {update.source for update in manifest.updates} == {"path"}
    assert {finding.check for finding in problems(manifest, Level.PASS)} == {
        *("path", "names", "version", "conflict", "unassigned")
    }
    assert manifest.unassigned == ()
    assert package.read == []


def test_folders_above_the_layout_and_backslashes_do_not_matter() -> None:
    manifest = Package().add(f"release\\2009\\{CX700}\\CPE.nbt".replace("/", "\\")).plan()
    assert list(files_of(manifest)) == [CX700]


@pytest.mark.parametrize(
    "name",
    [
        "CPE.nbt",
        "Polycom/CX700/A/ENU/1.0.522.101/CPE/CPE.nbt",
        "a/b/c/d/e/f/g/h",
        "UCPhone/Polycom/CX700/A/ENU/version/CPE/CPE.nbt",
        "UCPhone/Polycom/CX700/A/ENU/10/CPE/CPE.nbt",
        "UCPhone/Polycom/CX700/A/English/1.0/CPE/CPE.nbt",
        "UCPhone/Polycom/CX700/A/12/1.0/CPE/CPE.nbt",
    ],
)
def test_other_paths_are_not_taken_for_updates(name: str) -> None:
    manifest = Package().add(name).plan()
    assert manifest.updates == ()
    assert [member.name for member in manifest.unassigned] == [name]
    assert not manifest.failed


@pytest.mark.parametrize("locale", ["ENU", "jpn", "en", "en-US", "zh-Hant-TW"])
def test_a_locale_is_three_letters_or_a_language_tag(locale: str) -> None:
    manifest = Package().add(f"UCPhone/Polycom/CX700/A/{locale}/1.0/CPE/CPE.nbt").plan()
    assert [update.device_type.locale for update in manifest.updates] == [locale]


def test_unassigned_files_are_a_warning_that_counts_them_and_says_where_to_go_on() -> None:
    package = Package()
    for number in range(7):
        package.add(f"file{number}.bin")
    manifest = package.plan()
    warning = the_problem(manifest, Level.WARNING)
    assert warning.check == "unassigned"
    assert "7 files" in warning.message
    assert "file4.bin”, …" in warning.message
    assert "console" in warning.remedy
    assert "1 file is" in the_problem(Package().add("x.bin").plan(), Level.WARNING).message


def test_a_package_without_files_fails() -> None:
    assert the_problem(Package().plan()).check == "cabinet"


def test_a_description_file_names_updates_whatever_the_layout() -> None:
    package = (
        Package()
        .add("images/CPE.nbt", b"image")
        .add("sig.cat", b"signature")
        .add("readme.txt")
        .describe(
            f'<Update {UPDATE} releaseNotes="Better sound."><File name="images\\cpe.nbt" signature="SIG.cat"/></Update>'
        )
    )
    manifest = package.plan()
    assert not manifest.failed
    (update,) = manifest.updates
    assert (update.source, update.release_notes) == ("description", "Better sound.")
    assert files_of(manifest) == {CX700: {"CPE.nbt": "sig.cat", "sig.cat": ""}}
    assert [member.name for member in manifest.unassigned] == ["readme.txt"]
    assert package.read == ["package.xml"]


def test_one_file_may_belong_to_several_updates() -> None:
    other = UPDATE.replace("CX700", "CX500")
    manifest = (
        Package()
        .add("CPE.nbt")
        .describe(
            f'<Update {UPDATE}><File name="CPE.nbt"/></Update><Update {other}><File name="./CPE.nbt"/></Update>'
        )
        .plan()
    )
    assert not manifest.failed
    assert [update.device_type.model for update in manifest.updates] == ["CX500", "CX700"]


def test_what_a_description_leaves_out_is_judged_by_its_path() -> None:
    manifest = (
        Package()
        .add(f"{CX700}/CPE.cat", b"signature")
        .add("image.nbt")
        .describe(f'<Update {UPDATE}><File name="image.nbt"/></Update>')
        .plan()
    )
    assert files_of(manifest) == {CX700: {"CPE.cat": "", "image.nbt": "CPE.cat"}}
    assert manifest.unassigned == ()


def test_nested_cabinets_are_described_each_for_itself() -> None:
    update = f'<Update {UPDATE}><File name="CPE.nbt"/></Update>'
    manifest = (
        Package()
        .add("CPE.nbt", cabinet="a.cab")
        .describe(update, cabinet="a.cab")
        .add("CPE.nbt", b"x")
        .plan()
    )
    assert len(manifest.updates) == 1
    assert [member.path for member in manifest.unassigned] == ["CPE.nbt"]
    refused = Package().add("CPE.nbt", cabinet="a.cab").describe(update).plan()
    assert "line 3: “CPE.nbt” is not in the same cabinet" in the_problem(refused).message


def test_two_description_files_in_one_cabinet_fail() -> None:
    manifest = Package().describe("", name="a.xml").describe("", name="b.xml").plan()
    assert "“a.xml” and “b.xml” both describe" in the_problem(manifest).message
    assert manifest.updates == ()


@pytest.mark.parametrize(
    ("body", "check", "message"),
    [
        ("", "description", "line 2: no update is described"),
        (f"<Update {UPDATE}/>", "description", "line 3: the update has no file"),
        (f"<Update {UPDATE}>text<File name='x'/></Update>", "description", "line 3: Update has text inside"),
        (f"<Update {UPDATE}><File/></Update>", "description", "line 3: File has no name"),
        (
            f"<Update {UPDATE}>\n<File name='x' sigature='y'/></Update>",
            "description",
            "line 4: File has an unknown attribute “sigature”",
        ),
        (
            f"<Update {UPDATE}><File name='x'><y/></File></Update>",
            "description",
            "line 3: File has an element inside",
        ),
        (f"<Update {UPDATE}><Files/></Update>", "description", "line 3: there is an unknown element “Files”"),
        ("<Updates/>", "description", "line 3: there is an unknown element “Updates”"),
        (
            f"<Update {UPDATE.replace('locale', 'Locale')}><File name='x'/></Update>",
            "description",
            "line 3: Update has no locale",
        ),
        (
            f"<Update {UPDATE.replace('Polycom', 'Poly/com')}><File name='x'/></Update>",
            "names",
            "line 3: brand “Poly/com” has one of",
        ),
        (
            f"<Update {UPDATE.replace('CPE', 'nul')}><File name='x'/></Update>",
            "names",
            "line 3: updateType “nul” is a reserved name",
        ),
        (
            f"<Update {UPDATE.replace('1.0.522', '1.0.522.101.1.0.522')}><File name='x'/></Update>",
            "version",
            "line 3: the version has 23",
        ),
        (f"<Update {UPDATE}>\n<File name='x'></Update>", "description", "line 4: mismatched tag"),
        ("<!DOCTYPE x>", "description", "line 3: "),
    ],
)
def test_a_fault_of_a_description_is_told_with_its_line(body: str, check: str, message: str) -> None:
    problem = the_problem(Package().describe(body).plan())
    assert (problem.check, problem.member) == (check, "package.xml")
    assert problem.message.startswith(message)
    assert problem.remedy


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("<UpdatePackage><Update/></UpdatePackage>", "line 1: schemaVersion is missing"),
        ('<UpdatePackage schemaVersion="2"><Update/></UpdatePackage>', "line 1: schemaVersion is “2”"),
        (
            '<UpdatePackage schemaVersion="1" x="y"><Update/></UpdatePackage>',
            "line 1: UpdatePackage has an unknown attribute “x”",
        ),
        ('<!DOCTYPE UpdatePackage><UpdatePackage schemaVersion="1"/>', "line 1: a document type"),
    ],
)
def test_a_fault_of_the_root_is_told(document: str, message: str) -> None:
    assert the_problem(Package().add("p.xml", document.encode()).plan()).message.startswith(message)


def test_a_description_that_is_no_xml_at_all_is_told_in_any_encoding() -> None:
    for encoding in ("utf-8", "utf-16"):
        manifest = Package().add("p.xml", "& <UpdatePackage>".encode(encoding)).plan()
        assert the_problem(manifest).check == "description"


def test_other_xml_files_are_ordinary_members() -> None:
    manifest = Package().add("RTConfig.xml", b"<Config/>").add("broken.xml", b"<<<").plan()
    assert not manifest.failed
    assert len(manifest.unassigned) == 2


def test_an_xml_file_too_large_for_a_description_is_not_read() -> None:
    package = Package().add("big.XML", b"<UpdatePackage/>", size=MAX_SIZE + 1)
    assert not package.plan().failed
    assert package.read == []


def test_the_same_file_twice_with_other_bytes_fails() -> None:
    problem = the_problem(Package().add(f"a/{CX700}/CPE.nbt", b"1").add(f"b/{CX700}/CPE.nbt", b"2").plan())
    assert (problem.check, problem.member) == ("conflict", f"b/{CX700}/CPE.nbt")
    assert f"a/{CX700}/CPE.nbt" in problem.message or "…" in problem.message


def test_the_same_file_twice_with_the_same_bytes_is_taken_once_with_a_warning() -> None:
    manifest = Package().add(f"a/{CX700}/CPE.nbt").add(f"{CX700}/CPE.nbt", cabinet="in.cab").plan()
    warning = the_problem(manifest, Level.WARNING)
    assert (warning.check, warning.member) == ("duplicate", f"in.cab/{CX700}/CPE.nbt")
    assert not manifest.failed
    assert len(manifest.updates[0].files) == 1


def test_file_names_that_differ_in_case_only_fail_even_with_the_same_bytes() -> None:
    problem = the_problem(Package().add(f"{CX700}/CPE.nbt").add(f"{CX700}/cpe.NBT").plan())
    assert problem.check == "conflict"
    assert "differ in case only" in problem.message


def test_a_description_that_means_one_of_two_different_files_fails() -> None:
    manifest = (
        Package()
        .add("x.nbt", b"1")
        .add("X.NBT", b"2")
        .describe(f'<Update {UPDATE}><File name="x.Nbt"/></Update>')
        .plan()
    )
    assert "more than once with different contents" in the_problem(manifest).message


def test_another_spelling_of_a_type_is_taken_for_the_first_with_a_warning() -> None:
    manifest = Package().add(f"{CX700}/CPE.nbt").add(f"{CX700.replace('Polycom', 'POLYCOM')}/CPE.cat").plan()
    assert "is also spelled" in the_problem(manifest, Level.WARNING).message
    assert files_of(manifest) == {CX700: {"CPE.cat": "", "CPE.nbt": "CPE.cat"}}


def test_a_family_nobody_knows_is_a_warning_once() -> None:
    path = CX700.replace("UCPhone", "Toaster")
    warning = the_problem(Package().add(f"{path}/CPE.nbt").add(f"{path}/CPE.cat").plan(), Level.WARNING)
    assert "“Toaster” is not one of UCPhone, RoundTable" in warning.message


@pytest.mark.parametrize(
    ("path", "check"),
    [
        (f"{CX700.replace('1.0.522.101', '1.0.522.101.1.2.3.4.5')}/CPE.nbt", "version"),
        (f"{CX700.replace('1.0.522.101', '1.0 beta')}/CPE.nbt", "version"),
        (f"{CX700.replace('Polycom', 'Poly:com')}/CPE.nbt", "names"),
        (f"{CX700}./CPE.nbt", "names"),
        (f"{CX700}/nul.nbt", "names"),
        (f"{CX700}/{'x' * 129}", "names"),
        ("UCPhone/../CX700/A/ENU/1.0/CPE/CPE.nbt", "names"),
    ],
)
def test_a_name_or_version_that_cannot_be_stored_fails_and_names_the_member(path: str, check: str) -> None:
    manifest = Package().add(path).plan()
    problem = the_problem(manifest)
    assert (problem.check, problem.member) == (check, path)
    assert manifest.updates == ()


def test_updates_come_by_type_and_then_from_old_to_new() -> None:
    package = Package()
    for version in ("1.10", "1.9", "1.2"):
        for model in ("CX700", "CX500"):
            package.add(f"UCPhone/Polycom/{model}/A/ENU/{version}/CPE/CPE.nbt")
    order = [(update.device_type.model, update.version) for update in package.plan().updates]
    assert order == [(model, version) for model in ("CX500", "CX700") for version in ("1.2", "1.9", "1.10")]


def test_a_fault_repeated_in_every_member_is_told_twenty_times_and_then_counted() -> None:
    package = Package()
    for number in range(50):
        package.add(f"{CX700.replace('CX700', 'nul')}/file{number}")
    found = problems(package.plan())
    assert len(found) == 21
    assert found[-1].message == "and 30 more findings like these"


@pytest.mark.parametrize(
    ("name", "names", "signature"),
    [
        ("CPE.nbt", ["CPE.nbt", "cpe.CAT", "x.cat"], "cpe.CAT"),
        ("CPE.nbt", ["CPE.nbt", "all.cat"], "all.cat"),
        ("CPE.nbt", ["CPE.nbt", "a.cat", "b.cat"], ""),
        ("CPE.nbt", ["CPE.nbt"], ""),
        ("CPE.cat", ["CPE.nbt", "CPE.cat"], ""),
        ("CPE", ["CPE", "CPE.cat", "x.cat"], "CPE.cat"),
    ],
)
def test_a_file_is_signed_by_the_catalogue_of_its_name_or_the_only_one(
    name: str, names: list[str], signature: str
) -> None:
    assert signature_for(name, names) == signature


_PART = st.sampled_from(
    ["UCPhone", "Polycom", "A", "ENU", "1.0", "1..", "nul", "x.xml", "CPE", "cpe", "", "a:b", "\u202e"]
)
_XML = st.sampled_from(
    [
        b"",
        b"<UpdatePackage>",
        b"<x/>",
        f'<UpdatePackage schemaVersion="1"><Update {UPDATE}><File name="CPE"/></Update></UpdatePackage>'.encode(),
    ]
)


@given(
    st.lists(
        st.tuples(
            st.lists(_PART, min_size=1, max_size=9).map("/".join), _XML, st.sampled_from(["", "a.cab"])
        ),
        max_size=8,
    )
)
def test_any_members_give_a_manifest_in_which_each_has_one_place_or_a_finding(
    members: list[tuple[str, bytes, str]],
) -> None:
    package = Package()
    for name, data, cabinet in members:
        package.add(name, data, cabinet=cabinet)
    manifest = package.plan()
    assert manifest == package.plan()
    planned = {file.member.index for update in manifest.updates for file in update.files}
    assert planned.isdisjoint(member.index for member in manifest.unassigned)
    assert manifest.failed or manifest.updates or manifest.unassigned
    assert all(finding.message for finding in manifest.findings)
