import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.updates.protocol.samples import (
    DOCUMENT,
    FULL,
    GOLDEN,
    KNOWN_STATUSES,
    MINIMAL,
    NOTHING,
    ONE,
    TWO,
    VALUES,
    documented,
    samples,
    tables,
    write,
)
from updates.protocol import (
    JSON,
    XML,
    CheckAnswer,
    CheckRequest,
    Download,
    ErrorAnswer,
    OfferedModule,
    ProtocolError,
    Provisioning,
    answer_media_type,
    content_type,
    parse_answer,
    parse_check,
    parse_error,
    parse_provisioning,
    render_answer,
    render_check,
    render_error,
    render_provisioning,
    standard_error,
)

FORMS = (XML, JSON)
TEXT = st.text(max_size=40)
PRINTABLE = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), max_size=40)


@pytest.mark.parametrize("name", samples())
def test_every_message_is_written_as_in_its_golden_file(name: str) -> None:
    assert samples()[name] == (GOLDEN / name).read_bytes()


def test_the_golden_files_are_those_of_the_messages() -> None:
    assert {path.name for path in GOLDEN.iterdir()} == set(samples())


def test_the_document_shows_every_message_as_it_is() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert documented(text) == text
    assert [name for name in samples() if f"<!-- message: {name} -->" not in text] == []
    assert [name for name in tables() if f"<!-- table: {name} -->" not in text] == []


def test_files_and_document_are_written_anew_from_the_code(tmp_path: Path) -> None:
    document = tmp_path / "protocol.md"
    document.write_text("<!-- message: answer-nothing.xml -->\nold\n<!-- end -->\n", encoding="utf-8")
    write(tmp_path, document)
    assert "old" not in document.read_text(encoding="utf-8")
    assert "downloads=0" in document.read_text(encoding="utf-8")
    assert all((tmp_path / name).read_bytes() == body for name, body in samples().items())


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("request_", [MINIMAL, FULL])
def test_what_a_device_writes_is_what_the_service_reads(request_: CheckRequest, form: str) -> None:
    assert parse_check(render_check(request_, form), form) == request_


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("answer", [NOTHING, ONE, TWO])
def test_what_the_service_answers_is_what_a_device_reads(answer: CheckAnswer, form: str) -> None:
    assert parse_answer(render_answer(answer, form), form) == answer


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("answer", "count"), [(NOTHING, 0), (ONE, 1), (TWO, 2)])
def test_an_answer_says_the_number_of_downloads_literally(answer: CheckAnswer, count: int, form: str) -> None:
    body = render_answer(answer, form)
    assert body.count(b"downloads=") == 1
    assert f"downloads={count}<" if form == XML else f'downloads={count}"' in body.decode()


def test_the_base_urls_have_their_attested_names() -> None:
    root = ET.fromstring(render_answer(ONE, XML))
    assert [element.text for element in root.iter("BaseURL")] == [ONE.downloads[0].base_url]
    assert [element.text for element in root.iter("ExternalBaseURL")] == [ONE.downloads[0].external_base_url]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("status", KNOWN_STATUSES)
def test_refusals_are_read_back(status: int, form: str) -> None:
    error = standard_error(status)
    assert parse_error(render_error(error, form), form) == error
    assert error.status == status


def test_a_refusal_may_have_a_sentence_of_its_own() -> None:
    assert standard_error(400, "MacAddress is missing") == ErrorAnswer(
        400, "malformed", "MacAddress is missing"
    )


def test_anonymous_callers_are_told_that_anonymous_access_is_not_supported() -> None:
    assert b"Anonymous access is not supported" in render_error(standard_error(401), XML)


@pytest.mark.parametrize("form", FORMS)
def test_provisioning_values_are_read_back_under_their_attested_names(form: str) -> None:
    for values in (VALUES, Provisioning("", "", enabled=False)):
        body = render_provisioning(values, form)
        assert parse_provisioning(body, form) == values
        for name in (b"updatesServerInternalUrl", b"updatesServerExternalUrl", b"updatesServerEnabled"):
            assert name in body


@given(TEXT, TEXT, TEXT, st.sampled_from(FORMS))
def test_whatever_the_values_are_an_answer_can_be_read(
    version: str, url: str, reason: str, form: str
) -> None:
    module = OfferedModule(version, url, version, None, 1, reason)
    body = render_answer(CheckAnswer((Download(version, reason, url, url, (module,)),), reason), form)
    if form == XML:
        assert ET.fromstring(body).findtext("Result") == "downloads=1"
    else:
        assert json.loads(body)["downloads"][0]["baseURL"] == url


@given(PRINTABLE, PRINTABLE, st.sampled_from(FORMS))
def test_printable_values_come_through_unchanged(first: str, second: str, form: str) -> None:
    answer = CheckAnswer((Download(first, second, first, second, ()),), first)
    assert parse_answer(render_answer(answer, form), form) == answer
    error = ErrorAnswer(400, first, second)
    assert parse_error(render_error(error, form), form) == error


def test_moments_are_written_in_utc_to_the_second() -> None:
    zone = timezone(timedelta(hours=9))
    for moment in (
        datetime(2021, 10, 5, 21, 0, 0, 999, tzinfo=zone),
        datetime(2021, 10, 5, 12, 0),  # noqa: DTZ001 - a moment without a zone is the case
    ):
        module = OfferedModule("a", "", "1", moment, 1, "")
        body = render_answer(CheckAnswer((Download("1", "CPE", "", "", (module,)),), ""), XML)
        assert b"<Timestamp>2021-10-05T12:00:00Z</Timestamp>" in body
        read = parse_answer(body, XML).downloads[0].modules[0].timestamp
        assert read == datetime(2021, 10, 5, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("body", "form"), [(b"<a><Status>x</Status></a>", XML), (b"<a/>", XML), (b"{}", JSON)]
)
def test_a_refusal_without_a_status_is_none(body: bytes, form: str) -> None:
    with pytest.raises(ProtocolError, match="no status"):
        parse_error(body, form)


@given(st.binary(max_size=300) | st.sampled_from([b"<a/>", b"{}", b"[]"]), st.sampled_from(FORMS))
def test_any_bytes_are_an_answer_or_a_protocol_error(body: bytes, form: str) -> None:
    for read in (parse_answer, parse_error, parse_provisioning):
        try:
            read(body, form)
        except ProtocolError as error:
            reason = error.reason
        else:
            reason = "read"
        assert reason


@pytest.mark.parametrize(
    ("body", "form"),
    [
        (b"<a><Download><Modules><Module><Size>x</Size></Module></Modules></Download></a>", XML),
        (b'{"downloads":[{"modules":[{"size":"x"}]}]}', JSON),
        (b'{"downloads":[{"modules":[{"size":1,"timestamp":"soon"}]}]}', JSON),
    ],
)
def test_an_answer_with_an_unreadable_value_is_refused(body: bytes, form: str) -> None:
    with pytest.raises(ProtocolError, match="cannot be read"):
        parse_answer(body, form)


def test_an_answer_without_modules_or_downloads_has_none() -> None:
    assert parse_answer(b"<a><Download/></a>", XML).downloads[0].modules == ()
    assert parse_answer(b'{"downloads":{}}', JSON).downloads == ()


@pytest.mark.parametrize(
    ("accept", "sent", "chosen"),
    [
        (None, None, XML),
        ("", "application/json; charset=utf-8", JSON),
        ("*/*", "text/xml", XML),
        ("*/*", "application/json", JSON),
        ("application/json", "text/xml", JSON),
        ("text/xml", "application/json", XML),
        ("application/xml", None, "application/xml"),
        ("text/html, application/json;q=0.5, text/xml;q=0.9", None, XML),
        ("application/json, text/xml", None, JSON),
        ("application/json;q=0", "application/json", JSON),
        ("application/json;q=0, text/xml;q=0.1", None, XML),
        ("application/json;q=x, text/xml;v=1;q=0.1", None, XML),
        ("application/json;q=nan", None, XML),
        ("application/problem+json", None, JSON),
        ("text/html", "text/plain", XML),
    ],
)
def test_the_form_of_an_answer_follows_accept_then_the_request_then_xml(
    accept: str | None, sent: str | None, chosen: str
) -> None:
    assert answer_media_type(accept, sent) == chosen


def test_an_answer_is_labelled_with_its_form() -> None:
    assert content_type(XML) == "text/xml; charset=utf-8"
    assert content_type("application/xml") == "application/xml; charset=utf-8"
    assert content_type(JSON) == "application/json"
    assert content_type("text/plain") == "text/xml; charset=utf-8"
