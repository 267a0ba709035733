"""Every sample cabinet gets the verdict that its list gives it."""

import json
from collections.abc import Callable

import pytest

from tests.cabs import Sample, need_samples, samples
from updates.cabinet.__main__ import main

Run = Callable[..., tuple[int, str, str]]

REFUSED = {"REJECT", "REJECT_POLICY", "REJECT_ALONE_OK_AS_SET"}


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: str) -> tuple[int, str, str]:
        code = main(arguments)
        out, err = capsys.readouterr()
        return code, out, err

    return call


def test_there_are_samples_of_every_verdict() -> None:
    need_samples()
    assert {sample.verdict for sample in samples()} == {"OK", "EITHER", *REFUSED}


@pytest.mark.parametrize("sample", samples(), ids=lambda sample: sample.file)
def test_a_sample_gets_its_verdict(sample: Sample, run: Run) -> None:
    code, out, err = run("hash", str(sample.path))
    if code == 0:
        assert sample.verdict in {"OK", "EITHER"}
        found = {
            (entry["name"], entry["size"], entry["sha256"], entry["method"])
            for entry in json.loads(out)["members"]
        }
        methods = {entry["name"]: entry["method"] for entry in json.loads(out)["members"]}
        assert found == {
            (member.name, member.size, member.sha256, member.method or methods[member.name])
            for member in sample.members
        }
    else:
        assert sample.verdict in {"EITHER", *REFUSED}
        assert (out, err.count("\n")) == ("", 1)
        assert ": " in err


@pytest.mark.parametrize("sample", samples(), ids=lambda sample: sample.file)
def test_listing_shows_what_hashing_shows_or_refuses(sample: Sample, run: Run) -> None:
    listed, out, err = run("list", str(sample.path))
    hashed, contents, refusal = run("hash", str(sample.path))
    assert (listed, err) == (hashed, refusal)
    if listed == 0:
        members = json.loads(contents)["members"]
        assert json.loads(out)["members"] == [
            {key: value for key, value in member.items() if key != "sha256"} for member in members
        ]
    else:
        assert out == ""


def test_a_part_of_a_set_is_refused_with_what_to_do(run: Run) -> None:
    need_samples()
    parts = [sample for sample in samples() if sample.verdict == "REJECT_ALONE_OK_AS_SET"]
    assert parts
    for part in parts:
        _, _, err = run("list", str(part.path))
        assert "spanned set" in err
        assert "single cabinet" in err
