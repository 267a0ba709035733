import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from updates.protocol import (
    JSON,
    MAX_BODY,
    MAX_MODULES,
    MAX_TEXT,
    XML,
    ProtocolError,
    ReportedModule,
    parse_check,
)

VALUES = {
    "deviceType": "UCPhone",
    "macAddress": "00155d0a0b0c",
    "serialNumber": "sn-1",
    "vendor": "Polycom",
    "model": "CX700",
    "revision": "A",
    "locale": "ENU",
    "version": "1.0",
}


def xml(values: dict[str, str], inside: str = "") -> bytes:
    elements = "".join(f"<{name}>{value}</{name}>" for name, value in values.items())
    return f"<Request>{elements}{inside}</Request>".encode()


def without(*names: str) -> dict[str, str]:
    return {name: value for name, value in VALUES.items() if name not in names}


def refusal(body: bytes, form: str = XML) -> str:
    with pytest.raises(ProtocolError) as caught:
        parse_check(body, form)
    return caught.value.reason


def refusal_of_json(document: Any) -> str:
    return refusal(json.dumps(document).encode(), JSON)


@pytest.mark.parametrize(
    "form", [XML, "application/xml; charset=utf-8", "application/soap+xml", "", "text/plain"]
)
def test_the_form_is_taken_from_the_content_type_or_told_from_the_body(form: str) -> None:
    assert parse_check(xml(VALUES), form).mac == "00-15-5D-0A-0B-0C"


@pytest.mark.parametrize(
    "form", [JSON, "Application/JSON; charset=utf-8", "application/x+json", "", "application/octet-stream"]
)
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_json_is_read_with_and_without_a_byte_order_mark(form: str, mark: bytes) -> None:
    assert parse_check(mark + json.dumps(VALUES).encode(), form).serial == "SN-1"


def test_attributes_count_as_elements_do() -> None:
    attributes = " ".join(f'{name}="{value}"' for name, value in VALUES.items())
    for body in (f"<r {attributes}/>", f"<a><b><c {attributes}/></b></a>"):
        assert parse_check(body.encode(), XML) == parse_check(xml(VALUES), XML)


@pytest.mark.parametrize("name", ["MACADDRESS", "mac_address", "Mac-Address", "mac", "macaddr"])
def test_case_hyphens_underscores_and_aliases_do_not_matter(name: str) -> None:
    assert parse_check(xml(without("macAddress") | {name: "00155d0a0b0c"}), XML).mac == "00-15-5D-0A-0B-0C"


def test_names_in_json_may_have_spaces_as_in_the_audit_log() -> None:
    document = {
        "Device Type": "UCPhone",
        "Serial Number": "sn-1",
        "Brand": "Polycom",
        "device": {"Model": "CX700", "Revision": "A", "Locale": "ENU"},
        "User ID": "alice",
        "Request Modules": [{"File name": "CPE.nbt", "Version": 1.10}],
    }
    request = parse_check(json.dumps(document).encode(), JSON)
    assert (request.vendor, request.model, request.user, request.mac) == ("Polycom", "CX700", "alice", "")
    assert request.modules == (ReportedModule("CPE.nbt", "1.1", ""),)


def test_numbers_in_json_are_taken_as_they_are_spelled() -> None:
    body = json.dumps(without("version")).encode()[:-1] + b',"version":1.10}'
    assert parse_check(body, JSON).version == "1.10"


def test_unknown_names_are_ignored() -> None:
    extra = "<OS>CE</OS><Battery level='3'/>"
    assert parse_check(xml(VALUES, extra), XML) == parse_check(xml(VALUES), XML)
    document = VALUES | {"os": {"name": "CE"}, "list": [1, [2, {"x": None}]], "on": True}
    assert parse_check(json.dumps(document).encode(), JSON) == parse_check(xml(VALUES), XML)


def test_the_value_nearer_to_the_root_wins_and_then_the_better_known_name() -> None:
    assert parse_check(xml(VALUES, "<os><version>6.0</version></os>"), XML).version == "1.0"
    assert parse_check(xml(VALUES, "<FirmwareVersion>2.0</FirmwareVersion>"), XML).version == "1.0"
    assert (
        parse_check(
            b"<a><os><version>6.0</version></os>"
            + xml(VALUES)[len("<Request>") : -len("</Request>")]
            + b"</a>",
            XML,
        ).version
        == "1.0"
    )


def test_two_different_values_in_one_place_are_refused_and_equal_ones_are_not() -> None:
    assert "MacAddress is given twice" in refusal(xml(VALUES, "<macAddress>00155d0a0b0d</macAddress>"))
    assert parse_check(xml(VALUES, "<vendor>Polycom</vendor>"), XML).vendor == "Polycom"


def test_blank_values_are_as_good_as_none() -> None:
    request = parse_check(xml(VALUES | {"macAddress": " ", "version": ""}, "<UserId/>"), XML)
    assert (request.mac, request.version, request.user) == ("", None, "")


def test_values_are_taken_in_normal_form() -> None:
    request = parse_check(xml(VALUES), XML)
    assert (request.mac, request.serial) == ("00-15-5D-0A-0B-0C", "SN-1")
    assert request.device_type.path == "UCPhone/Polycom/CX700/A/ENU"


@pytest.mark.parametrize("name", ["DeviceType", "Vendor", "Model", "Revision", "Locale"])
def test_a_missing_field_is_named_with_the_names_it_may_have(name: str) -> None:
    key = name[0].lower() + name[1:]
    for reason in (refusal(xml(without(key))), refusal_of_json(without(key))):
        assert reason.startswith(f"{name} (accepted names: {name}, ")
        assert reason.endswith("is missing")


def test_a_device_without_any_identifier_is_refused() -> None:
    reason = refusal(xml(without("macAddress", "serialNumber")))
    assert "MacAddress" in reason
    assert "SerialNumber" in reason


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("macAddress", "0102030405", "“0102030405” is not a MAC address"),
        ("serialNumber", "a b", "“a b” is not a serial number"),
        ("vendor", "a/b", "brand “a/b” has one of"),
        ("locale", "..", "locale “..” begins or ends with"),
        ("version", "x" * (MAX_TEXT + 1), f"Version has {MAX_TEXT + 1} characters"),
        ("model", "a\u202eb", "Model has a control or invisible character"),
    ],
)
def test_a_malformed_value_is_named(name: str, value: str, reason: str) -> None:
    assert reason in refusal(xml(VALUES | {name: value}))
    assert reason in refusal_of_json(VALUES | {name: value})


def test_a_long_value_is_not_echoed_whole() -> None:
    assert "x" * 64 not in refusal(xml(VALUES | {"macAddress": "x" * 200}))


@pytest.mark.parametrize("value", ["a\x00b", "a\ud800b", "a\nb"])
def test_characters_only_json_can_carry_are_refused(value: str) -> None:
    assert "UserId has a control or invisible character" in refusal_of_json(VALUES | {"userId": value})


MODULES = "<Modules count='2'><Module Filename='CPE.nbt' Version='1.0' Timestamp='then'/><x><Name>CPE.cat</Name></x></Modules>"


def test_modules_are_read_from_a_list_or_one_by_one() -> None:
    expected = (ReportedModule("CPE.nbt", "1.0", "then"), ReportedModule("CPE.cat", "", ""))
    assert parse_check(xml(VALUES, MODULES), XML).modules == expected
    single = "<module><file>CPE.nbt</file><a><version>1.0</version></a></module>"
    request = parse_check(xml(VALUES, single), XML)
    assert request.modules == (ReportedModule("CPE.nbt", "1.0", ""),)
    assert request.version == "1.0"
    assert list(request.module_versions) == [("CPE.nbt", "1.0")]
    document = VALUES | {"module": {"filename": "CPE.nbt", "x": {"version": "1.0"}, "y": []}}
    assert parse_check(json.dumps(document).encode(), JSON) == request


def test_empty_modules_are_left_out_and_nameless_ones_refused() -> None:
    assert parse_check(xml(VALUES, "<Modules><Module/></Modules>"), XML).modules == ()
    assert parse_check(json.dumps(VALUES | {"modules": ["x", None]}).encode(), JSON).modules == ()
    assert "a module has no Filename (accepted names" in refusal(xml(VALUES, "<Module Version='1'/>"))


def test_the_number_of_modules_is_limited() -> None:
    module = "<Module Filename='x'/>"
    assert len(parse_check(xml(VALUES, module * MAX_MODULES), XML).modules) == MAX_MODULES
    assert f"more than {MAX_MODULES} modules" in refusal(xml(VALUES, module * (MAX_MODULES + 1)))
    document = VALUES | {"modules": [{"filename": "x"}] * (MAX_MODULES + 1)}
    assert f"more than {MAX_MODULES} modules" in refusal_of_json(document)


@pytest.mark.parametrize("form", [XML, JSON])
def test_a_body_over_the_limit_is_refused_and_one_at_the_limit_is_not(form: str) -> None:
    body = xml(VALUES) if form == XML else json.dumps(VALUES).encode()
    assert parse_check(body + b" " * (MAX_BODY - len(body)), form).model == "CX700"
    assert f"{MAX_BODY} are accepted" in refusal(body + b" " * (MAX_BODY - len(body) + 1), form)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"vendor":"a","vendor":"a"}', "the same name twice"),
        (b'{"a":{"b":1,"b":2}}', "the same name twice"),
        (b'{"version":NaN}', "NaN and Infinity"),
        (b'{"version":-Infinity}', "NaN and Infinity"),
        (b"[]", "not an object"),
        (b"{", "line 1"),
        (b"", "line 1"),
        (b'{"a":"\xff"}', "not UTF-8"),
        (b'{"a":' * 5000 + b"1" + b"}" * 5000, "nested more than 16"),
        (b'{"a":' * 17 + b"1" + b"}" * 17, "nested more than 16"),
        (b'{"modules":' + b'{"a":' * 17 + b"1" + b"}" * 18, "nested more than 16"),
        (b'{"a":' + b"[" * 30 + b"]" * 30 + b"}", "nested more than 16"),
    ],
)
def test_json_that_readers_could_understand_differently_is_refused(body: bytes, reason: str) -> None:
    assert reason in refusal(body, JSON)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'<!DOCTYPE r [<!ENTITY e "x">]><r>&e;</r>', "DOCTYPE"),
        (b"<r>&e;</r>", "undefined entity"),
        (b"<r>\n<a></r>", "line 2"),
        (b"<a>" * 17 + b"</a>" * 17, "nested more than 16"),
        (b"not xml", "the XML is not acceptable"),
    ],
)
def test_xml_that_is_broken_or_more_than_data_is_refused(body: bytes, reason: str) -> None:
    assert reason in refusal(body, XML)


_NAMES = st.sampled_from([*VALUES, "modules", "module", "filename", "brand", "UserId", "x"])
_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(list(VALUES.values())),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_NAMES, inner, max_size=9),
    max_leaves=30,
)


_BODIES = (
    _JSON.map(lambda value: json.dumps(value).encode())
    | st.binary(max_size=300)
    | st.just(json.dumps(VALUES).encode())
)


@given(_BODIES, st.sampled_from([XML, JSON, ""]))
def test_any_body_is_a_request_or_a_protocol_error(body: bytes, form: str) -> None:
    try:
        request = parse_check(body, form)
    except ProtocolError as error:
        reason = error.reason
        reason.encode()
        assert len(reason) < 1000
        return
    assert request.mac or request.serial


@given(st.dictionaries(st.sampled_from(list(VALUES)), st.text(max_size=30)))
def test_any_values_give_a_request_in_which_all_is_printable_or_a_protocol_error(
    values: dict[str, str],
) -> None:
    try:
        request = parse_check(json.dumps(VALUES | values).encode(), JSON)
    except ProtocolError:
        return
    assert request.device_type.path.isprintable()
    assert (request.version or "").isprintable()
