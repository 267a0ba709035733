"""A sentence keeps what it is made of: it comes back from storage whole, and can be said in another language."""

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.wording import NOTHING, WordedError, Wording, places, plain, wording

NAMES = st.sampled_from(["name", "count", "first", "other_one"])
WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def sentences(inner: st.SearchStrategy[Wording]) -> st.SearchStrategy[Wording]:
    values = st.dictionaries(NAMES, st.one_of(WORDS, st.integers(), inner), max_size=3)
    return st.builds(
        lambda between, found: Wording(
            between.replace("%", "%%")
            + "".join(f"%({n})s" if isinstance(v, str) else f"%({n})d" for n, v in found.items()),
            found,
        ),
        WORDS,
        values,
    )


WORDINGS = st.recursive(WORDS.map(plain), sentences, max_leaves=5)


@given(WORDINGS)
def test_a_wording_comes_back_from_json_as_it_was(words: Wording) -> None:
    read = Wording.from_json(words.to_json())

    assert (read, read.template, read.values) == (words, words.template, words.values)


@given(WORDINGS)
def test_in_english_it_says_what_its_text_is(words: Wording) -> None:
    assert words.said(lambda template: template) == words


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | WORDS,
        lambda inner: st.lists(inner) | st.dictionaries(WORDS, inner),
    )
)
def test_nothing_else_is_read_as_a_wording(data: object) -> None:
    with pytest.raises(ValueError, match="not a wording"):
        Wording.from_json(data)


@pytest.mark.parametrize(
    "data",
    [
        {"template": "%(name)s", "values": {}},
        {"template": "all", "values": {"name": "x"}},
        {"template": "%(count)d", "values": {"count": "many"}},
        {"template": "%(name)s", "values": {"name": True}},
        {"template": "%(name)s", "values": {"name": ["x"]}},
        {"template": "%(name)999999999s", "values": {"name": "x"}},
        {"template": "100 %", "values": {}},
        {"template": "x" * 1001, "values": {}},
        {"template": "%(name)s", "values": {"name": "x" * 20_001}},
        {"template": "x", "values": {}, "more": 1},
    ],
)
def test_what_would_not_make_a_sentence_is_refused(data: object) -> None:
    with pytest.raises(ValueError, match="not a wording"):
        Wording.from_json(data)


def test_a_wording_inside_itself_without_end_is_refused() -> None:
    data: dict[str, object] = {"template": "x", "values": {}}
    for _ in range(50):
        data = {"template": "%(name)s", "values": {"name": data}}
    with pytest.raises(ValueError, match="not a wording"):
        Wording.from_json(data)


def test_its_parts_are_translated_and_its_names_are_not() -> None:
    german = {"%(file)s %(problem)s": "%(file)s: %(problem)s", "is empty": "ist leer"}
    words = wording("%(file)s %(problem)s", file="is empty", problem=wording("is empty"))

    assert words == "is empty is empty"
    assert words.said(lambda template: german[template]) == "is empty: ist leer"


def test_nothing_stays_nothing_although_a_catalogue_has_a_header() -> None:
    assert NOTHING.said(lambda _: "Project-Id-Version: x") == ""


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_copies_keep_what_they_are_made_of(copied: object) -> None:
    words = wording("100 %% of %(name)s", name="x")
    assert callable(copied)
    again = copied(words)
    assert (again, again.template, dict(again.values)) == ("100 % of x", words.template, {"name": "x"})


def test_a_worded_error_says_its_sentence_in_english() -> None:
    error = WordedError(wording("%(name)s is empty", name="x"))
    assert (str(error), error.wording.template) == ("x is empty", "%(name)s is empty")


def test_places_are_found_with_their_kinds() -> None:
    assert places("100 %% of %(count)d in %(name)s") == {("count", "d"), ("name", "s")}
