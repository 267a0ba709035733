import pytest
from hypothesis import given
from hypothesis import strategies as st

from updates.strictxml import Element, XmlError, XmlLimits, parse, root_name


def test_elements_have_names_attributes_texts_lines_and_children() -> None:
    root = parse(b'<?xml version="1.0"?>\n<a x="1" y="2">\n <b> one </b>\n <c/>two</a>')
    assert root == Element(
        "a", {"x": "1", "y": "2"}, "two", 2, (Element("b", {}, "one", 3, ()), Element("c", {}, "", 4, ()))
    )


def test_namespaces_are_left_out_of_names() -> None:
    root = parse(b'<p:a xmlns:p="urn:x" xmlns="urn:y" p:k="1"><b xml:lang="en"/></p:a>')
    assert (root.name, root.attributes, root.children[0].name) == ("a", {"k": "1"}, "b")


def test_predefined_and_numeric_references_are_text() -> None:
    assert parse(b"<a>&lt;&#65;&amp;<![CDATA[<b>]]></a>").text == "<A&<b>"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "us-ascii", "iso-8859-1", "UTF-8"])
def test_the_encodings_every_parser_knows_are_read(encoding: str) -> None:
    text = f'<?xml version="1.0" encoding="{encoding}"?><a>x</a>'
    assert parse(text.encode(encoding)).text == "x"


@pytest.mark.parametrize(
    "encoding", ["windows-1252", "utf-7", "idna", "rot13", "unicode_escape", "nonsense", "utf-32"]
)
def test_other_encodings_are_refused(encoding: str) -> None:
    with pytest.raises(XmlError, match="the encoding is not accepted"):
        parse(f'<?xml version="1.0" encoding="{encoding}"?><a>x</a>'.encode())


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ("<!DOCTYPE a><a/>", "DOCTYPE"),
        ('<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', "DOCTYPE"),
        ('<!DOCTYPE a [<!ENTITY e "x">]><a>&e;</a>', "DOCTYPE"),
        ("<a>&e;</a>", "undefined entity"),
        ("<a><b></a>", "mismatched tag"),
        ("<a/><b/>", "junk after document element"),
        ("<a x='1' x='2'/>", "duplicate attribute"),
        ("<p:a/>", "unbound prefix"),
        ('<a xmlns:p="urn:p" xmlns:q="urn:q" p:x="1" q:x="2"/>', "two attributes of one name"),
        ("", "no element"),
        ("text", "syntax error"),
    ],
)
def test_what_is_not_plain_xml_is_refused_with_the_reason(document: str, reason: str) -> None:
    with pytest.raises(XmlError, match=reason):
        parse(document.encode())


def test_the_refusal_names_the_line() -> None:
    with pytest.raises(XmlError) as caught:
        parse(b"<a>\n<b>\n</c></a>")
    assert caught.value.line == 3
    assert str(caught.value) == f"line 3: {caught.value.reason}"


LIMITS = XmlLimits(size=200, depth=3, nodes=6, text=10)


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (b"<a>" + b" " * 200 + b"</a>", "207 bytes; 200 are accepted"),
        (b"<a><b><c><d/></c></b></a>", "more than 3 deep"),
        (b"<a>" + b"<b/>" * 6 + b"</a>", "more than 6 elements"),
        (b"<a r='' s='' t='' u='' v='' w=''/>", "more than 6 elements"),
        (b"<a>12345678901</a>", "a text has more than 10"),
        (b"<a>123456<b>1234567890</b>78901</a>", "a text has more than 10"),
        (b"<a x='12345678901'/>", "an attribute has more than 10"),
    ],
)
def test_every_limit_refuses_what_exceeds_it(document: bytes, reason: str) -> None:
    with pytest.raises(XmlError, match=reason):
        parse(document, limits=LIMITS)


def test_what_fills_the_limits_is_read() -> None:
    document = b"<a x='1234567890'><b><c>1234567890</c></b><d/><e/></a>"
    assert parse(document, limits=LIMITS).children[0].children[0].text == "1234567890"


def test_the_root_is_known_without_reading_what_follows() -> None:
    assert root_name(b'<?xml version="1.0"?>\n<!-- c --><p:Root xmlns:p="urn:x"><broken') == "Root"


@pytest.mark.parametrize("data", [b"", b"<!DOCTYPE a><a/>", b"x" * 100_000])
def test_a_document_without_an_acceptable_root_has_no_root_name(data: bytes) -> None:
    with pytest.raises(XmlError):
        root_name(data)


def _prefixed(prefix: bytes, tail: bytes) -> bytes:
    return prefix + tail


@given(
    st.builds(
        _prefixed,
        st.sampled_from(
            [b"", b"<a>", b'<?xml version="1.0" encoding="', b"<!DOCTYPE a [", b"\xff\xfe<\0", b"<a x='"]
        ),
        st.binary(max_size=200),
    )
)
def test_any_bytes_are_an_element_or_an_xml_error(data: bytes) -> None:
    reasons: list[str] = []
    for read in (parse, root_name):
        try:
            read(data)
        except XmlError as error:
            reasons.append(error.reason)
    assert all(reasons)


@given(st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=50))
def test_any_printable_text_survives_escaping(text: str) -> None:
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
    root = parse(f'<a x="{escaped}">{escaped}</a>'.encode())
    assert root.text == text.strip()
