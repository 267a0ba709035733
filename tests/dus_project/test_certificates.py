"""The first start makes a certificate, and later ones keep it for as long as it is good."""

import stat
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from dus_project import certificates

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
NAMES = ("localhost", "127.0.0.1", "::1", "updates.example.org")
ANY = "0.0.0.0"  # noqa: S104 - nothing is bound to it


def read(found: certificates.Certificate) -> x509.Certificate:
    return x509.load_pem_x509_certificate(found.certificate.read_bytes())


def test_the_certificate_names_what_it_is_for_and_lasts_825_days(tmp_path: Path) -> None:
    made = certificates.ensure(tmp_path / "secrets", names=NAMES, now=NOW)
    certificate = read(made)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    key = certificate.public_key()
    assert made.is_new
    assert names.get_values_for_type(x509.DNSName) == ["localhost", "updates.example.org"]
    assert names.get_values_for_type(x509.IPAddress) == [ip_address("127.0.0.1"), ip_address("::1")]
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert key.curve.name == "secp256r1"
    assert certificate.not_valid_after_utc - certificate.not_valid_before_utc == timedelta(days=825)
    assert certificate.not_valid_before_utc < NOW


def test_only_the_owner_reads_the_key(tmp_path: Path) -> None:
    made = certificates.ensure(tmp_path / "secrets", names=NAMES, now=NOW)
    assert stat.S_IMODE(made.key.stat().st_mode) == 0o600
    assert made.key.read_text().startswith("-----BEGIN PRIVATE KEY-----")


@pytest.mark.parametrize("days", [0, 700])
def test_a_good_certificate_is_kept(tmp_path: Path, days: int) -> None:
    before = read(certificates.ensure(tmp_path, names=NAMES, now=NOW))
    again = certificates.ensure(tmp_path, names=reversed(NAMES), now=NOW + timedelta(days=days))
    assert not again.is_new
    assert read(again) == before


def test_a_certificate_is_replaced_30_days_before_its_end(tmp_path: Path) -> None:
    certificates.ensure(tmp_path, names=NAMES, now=NOW)
    assert certificates.ensure(tmp_path, names=NAMES, now=NOW + timedelta(days=795)).is_new


def test_a_certificate_is_replaced_when_its_names_change(tmp_path: Path) -> None:
    certificates.ensure(tmp_path, names=NAMES, now=NOW)
    assert certificates.ensure(tmp_path, names=(*NAMES, "phones.example.org"), now=NOW).is_new


@pytest.mark.parametrize("damaged", ["certificate.pem", "key.pem"])
def test_a_damaged_pair_is_replaced(tmp_path: Path, damaged: str) -> None:
    certificates.ensure(tmp_path, names=NAMES, now=NOW)
    (tmp_path / damaged).write_text("nothing of use")
    assert certificates.ensure(tmp_path, names=NAMES, now=NOW).is_new
    assert not certificates.ensure(tmp_path, names=NAMES, now=NOW).is_new


def test_a_certificate_with_another_key_is_replaced(tmp_path: Path) -> None:
    other = certificates.ensure(tmp_path / "other", names=NAMES, now=NOW)
    mine = certificates.ensure(tmp_path / "mine", names=NAMES, now=NOW)
    mine.key.write_bytes(other.key.read_bytes())
    assert certificates.ensure(tmp_path / "mine", names=NAMES, now=NOW).is_new


def test_names_are_covered_once_and_wildcards_not_at_all() -> None:
    covered = certificates.names_to_cover(ANY, "::", "[::1]", "Phones.Example.org.", "a_b", "", "192.0.2.7")
    assert {"localhost", "127.0.0.1", "::1", "phones.example.org", "192.0.2.7"} <= set(covered)
    assert not {ANY, "::", "a_b", ""} & set(covered)
    assert len(covered) == len(set(covered))


def test_an_own_certificate_is_used_as_it_is(tmp_path: Path) -> None:
    own = certificates.ensure(tmp_path, names=["phones.example.org"], now=NOW)

    used = certificates.given(str(own.certificate), str(own.key))

    assert (used.certificate, used.key, used.is_new) == (own.certificate, own.key, False)


def test_an_own_certificate_that_cannot_be_used_is_named_with_its_setting(tmp_path: Path) -> None:
    own = certificates.ensure(tmp_path / "own", names=NAMES, now=NOW)
    other = certificates.ensure(tmp_path / "other", names=NAMES, now=NOW)

    with pytest.raises(certificates.CertificateError, match=r"^DUS_TLS_CERTIFICATE="):
        certificates.given("", str(own.key))
    with pytest.raises(certificates.CertificateError, match=r"^DUS_TLS_KEY="):
        certificates.given(str(own.certificate), str(own.certificate))
    with pytest.raises(certificates.CertificateError, match="is not the key of"):
        certificates.given(str(own.certificate), str(other.key))
