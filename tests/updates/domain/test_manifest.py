import tracemalloc
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.updates.domain.packages import CX700, UPDATE, Package, files_of, problems, the_problem
from updates.domain.findings import Level
from updates.domain.manifest import plan, signature_for


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


def test_a_package_with_more_updates_than_allowed_fails() -> None:
    package = Package()
    for number in range(3):
        package.add(f"UCPhone/Polycom/CX700/A/ENU/1.{number}/CPE/CPE.nbt")

    problem = the_problem(package.plan(most_updates=2))

    assert problem.check == "updates"
    assert problem.message == "the package brings 3 updates, at most 2 are taken"
    assert "DUS_LIMIT_UPDATES" in problem.remedy
    assert not package.plan(most_updates=3).failed


def test_many_descriptions_in_a_cabinet_do_not_stay_in_memory() -> None:
    padding = f"<!--{'x' * (1 << 20)}-->"
    member = Package().describe(padding).members[0]
    data = Package().describe(padding).contents[0]
    members = [replace(member, index=index, name=f"{index}.xml") for index in range(30)]

    tracemalloc.start()
    try:
        manifest = plan(members, lambda _index: bytes(bytearray(data)), most_updates=500)
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert "both describe" in the_problem(manifest).message
    assert peak < 10 * len(data)
