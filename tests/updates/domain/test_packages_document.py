import re
from pathlib import Path

from updates.domain.description import MAX_NOTES, read_description
from updates.domain.manifest import KNOWN_FAMILIES, MAX_FILE_NAME

TEXT = (Path(__file__).parents[3] / "docs" / "packages.md").read_text(encoding="utf-8")


def test_the_example_in_the_document_is_a_valid_description_file() -> None:
    example = re.search(r"<!-- example -->\n```xml\n(.*?)```\n<!-- end -->", TEXT, flags=re.DOTALL)
    assert example is not None
    described = read_description(example[1].encode())
    assert described.problems == ()
    assert [update.device_type.model for update in described.updates] == ["CX700", "IP 8540"]
    assert [len(update.files) for update in described.updates] == [1, 2]


def test_the_document_states_the_limits_of_the_code() -> None:
    assert f"at most {MAX_NOTES} characters" in TEXT
    assert f"File names have at most {MAX_FILE_NAME}" in TEXT
    assert all(f"`{family}`" in TEXT for family in KNOWN_FAMILIES)


def test_a_document_with_another_root_is_no_description() -> None:
    (problem,) = read_description(b"<Package/>").problems
    assert problem.message == "line 1: the root is “Package”"
    assert problem.remedy == "make it UpdatePackage"
