import pytest

from tests.updates.domain.packages import CX700, UPDATE, Package, files_of, the_problem
from updates.domain.description import MAX_SIZE


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
