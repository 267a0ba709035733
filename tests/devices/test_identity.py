import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.identity import (
    MAX_PATH_LENGTH,
    DeviceTypeKey,
    IdentifierKind,
    IdentityError,
    guess,
    name_problem,
    normalise,
    normalise_mac,
    normalise_serial,
    shown,
)

PARTS = ("UCPhone", "Polycom", "CX700", "A", "ENU")


@pytest.mark.parametrize(
    "text", ["00155d0a0b0c", "00-15-5d-0a-0b-0c", "00:15:5D:0A:0B:0C", " 00-15-5D-0A-0B-0C\n", "00155D0a0B0c"]
)
def test_every_accepted_spelling_of_a_mac_address_has_one_normal_form(text: str) -> None:
    assert normalise_mac(text) == "00-15-5D-0A-0B-0C"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "01-02-03-04-05",
        "0102030405",
        "01-02-03-04-05-0",
        "01-02:03-04-05-06",
        "0102-03-04-05-06",
        "01--02-03-04-05-06",
        "01-02-03-04-05-06-",
        "01 02 03 04 05 06",
        "01-02-03-04-05-0G",
        "０１-02-03-04-05-06",
        "-".join(["01"] * 21),
    ],
)
def test_what_is_not_a_mac_address_is_refused_with_the_accepted_forms(text: str) -> None:
    with pytest.raises(IdentityError, match="00-15-5D-0A-0B-0C, 00:15:5D:0A:0B:0C or 00155D0A0B0C"):
        normalise_mac(text)


@pytest.mark.parametrize("pairs", [6, 7, 8, 20])
@pytest.mark.parametrize("separator", ["", "-", ":"])
def test_a_mac_address_has_six_to_twenty_pairs(pairs: int, separator: str) -> None:
    assert normalise_mac(separator.join(["0a"] * pairs)) == "-".join(["0A"] * pairs)


@given(st.lists(st.integers(0, 255), min_size=6, max_size=20), st.sampled_from(["", "-", ":"]))
def test_the_normal_form_of_a_mac_address_is_its_own_normal_form(octets: list[int], separator: str) -> None:
    normal = normalise_mac(separator.join(f"{octet:02x}" for octet in octets))
    assert normalise_mac(normal) == normal
    assert bytes.fromhex(normal.replace("-", "")) == bytes(octets)


def test_a_serial_number_is_kept_in_upper_case() -> None:
    assert normalise_serial(" ab_12-z ") == "AB_12-Z"


@pytest.mark.parametrize("text", ["", "  ", "a b", "ä1", "x" * 65, "1\n2", "a.b", "١٢"])
def test_what_is_not_a_serial_number_is_refused(text: str) -> None:
    with pytest.raises(IdentityError, match="letters A to Z, digits, - and _"):
        normalise_serial(text)


def test_an_identifier_that_reads_as_a_mac_address_is_one_and_else_a_serial_number() -> None:
    assert guess("00155d0a0b0c") == (IdentifierKind.MAC, "00-15-5D-0A-0B-0C")
    assert guess("0102030405") == (IdentifierKind.SERIAL, "0102030405")
    assert guess("sn-1") == (IdentifierKind.SERIAL, "SN-1")
    with pytest.raises(IdentityError, match="neither a MAC address"):
        guess("sn 1")


def test_the_kind_chooses_the_form() -> None:
    assert normalise(IdentifierKind.MAC, "0a0b0c0d0e0f") == "0A-0B-0C-0D-0E-0F"
    assert normalise(IdentifierKind.SERIAL, "0a0b0c0d0e0f") == "0A0B0C0D0E0F"


@given(st.text())
def test_any_text_is_an_identifier_or_an_identity_error(text: str) -> None:
    try:
        kind, normal = guess(text)
    except IdentityError:
        return
    assert normalise(kind, normal) == normal


def test_a_device_type_has_a_path_a_folded_form_and_a_readable_one() -> None:
    key = DeviceTypeKey.of(*PARTS)
    assert key.path == "UCPhone/Polycom/CX700/A/ENU"
    assert key.folded == "ucphone/polycom/cx700/a/enu"
    assert str(key) == "UCPhone / Polycom / CX700 / A / ENU"
    assert key.parts == PARTS


def test_spaces_inside_a_part_are_welcome() -> None:
    assert (
        DeviceTypeKey.of("UCPhone", "LG-Nortel", "IP 8540", "A", "ENU").path
        == "UCPhone/LG-Nortel/IP 8540/A/ENU"
    )


def test_two_spellings_of_one_type_fold_to_one_key() -> None:
    composed, decomposed = "\u00e9", "E\u0301"
    first = DeviceTypeKey.of("UCPhone", composed, "CX700", "A", "ENU")
    second = DeviceTypeKey.of("ucphone", decomposed, "cx700", "a", "enu")
    assert first != second
    assert first.folded == second.folded


@pytest.mark.parametrize("position", range(5))
def test_the_refusal_names_the_part(position: int) -> None:
    parts = list(PARTS)
    parts[position] = "a/b"
    label = ("family", "brand", "model", "revision", "locale")[position]
    with pytest.raises(IdentityError, match=rf"^{label} “a/b” has one of"):
        DeviceTypeKey.of(*parts)


@pytest.mark.parametrize(
    "part",
    [
        *("", ".", "..", " A", "A ", "A.", ".A", "x" * 65, "ß" * 33, "😀" * 64),
        *(
            f"a{character}b"
            for character in '/\\:*?"<>|\x00\x1f\x7f\u200b\u202e\u2066\ufeff\ud800\u2028\u00a0'
        ),
        *("CON", "nul", "Com1", "LPT9", "aux.txt", "con .x", "COM¹", "CONIN$"),
    ],
)
def test_what_a_file_system_or_a_reader_would_misunderstand_is_no_part_of_a_type(part: str) -> None:
    with pytest.raises(IdentityError, match=r"^model “"):
        DeviceTypeKey.of("UCPhone", "Polycom", part, "A", "ENU")


@pytest.mark.parametrize(
    "part", ["A", "x" * 64, "IP 8540", "v1.2", "CX-700_b", "電話", "Aastra & Co", "console", "COM10"]
)
def test_ordinary_names_are_parts_of_a_type(part: str) -> None:
    assert DeviceTypeKey.of("UCPhone", "Polycom", part, "A", "ENU").model == part


@given(st.lists(st.text(min_size=1, max_size=70), min_size=5, max_size=5))
def test_an_accepted_type_makes_a_path_of_five_parts_within_the_stated_length(parts: list[str]) -> None:
    try:
        key = DeviceTypeKey.of(*parts)
    except IdentityError:
        return
    assert len(key.path.split("/")) == len(key.folded.split("/")) == 5
    assert max(len(key.path), len(key.folded)) <= MAX_PATH_LENGTH
    assert DeviceTypeKey.of(*key.parts) == key
    assert DeviceTypeKey.of(*key.folded.split("/")).folded == key.folded
    key.path.encode()


def test_a_name_may_be_as_long_as_its_user_says() -> None:
    assert name_problem("x" * 128, max_length=128) == ""
    assert "longer than 128" in name_problem("x" * 129, max_length=128)


def test_what_somebody_sent_is_shown_printable_and_cut() -> None:
    assert shown("a\x00\u202eb") == "“a��b”"
    assert shown("x" * 64) == f"“{'x' * 64}”"
    assert shown("x" * 65) == f"“{'x' * 63}…”"
