"""The self-signed certificate of `make serve`, for https from the first start on."""

import os
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

# The longest that browsers and Apple's platforms have accepted of certificates which an administrator trusts by hand.
_LIFETIME: Final = timedelta(days=825)
_RENEW_BEFORE: Final = timedelta(days=30)
# A clock that is a little behind must not find the certificate to be from the future.
_BACKDATED: Final = timedelta(days=1)
_LONGEST_COMMON_NAME: Final = 64


@dataclass(frozen=True, slots=True)
class Certificate:
    """Where the certificate and its key are, and whether they have just been made."""

    certificate: Path
    key: Path
    is_new: bool


class CertificateError(Exception):
    """A certificate or key that cannot be used; the text names the setting, the cause and the remedy."""


def given(certificate: str, key: str) -> Certificate:
    """The organisation's own certificate and key, in PEM files. Raises CertificateError."""
    try:
        leaf = x509.load_pem_x509_certificate(Path(certificate).read_bytes())
    except (OSError, ValueError) as error:
        raise CertificateError(
            f"DUS_TLS_CERTIFICATE={certificate}: {error}. Name a readable PEM file: the certificate, then its issuers."
        ) from error
    try:
        private = load_pem_private_key(Path(key).read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise CertificateError(
            f"DUS_TLS_KEY={key}: {error}. Name a readable PEM file: the key in PKCS#8, without a password."
        ) from error
    form = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    if leaf.public_key().public_bytes(*form) != private.public_key().public_bytes(*form):
        raise CertificateError(
            f"DUS_TLS_KEY={key} is not the key of DUS_TLS_CERTIFICATE={certificate}. Name the two that belong together."
        )
    return Certificate(Path(certificate), Path(key), is_new=False)


def names_to_cover(*hosts: str) -> tuple[str, ...]:
    """Names and addresses of this machine, and those of `hosts` that a certificate can name, each once.

    Wildcard addresses such as 0.0.0.0 are left out: they say where to listen, not what to call.
    """
    candidates = ("localhost", "127.0.0.1", "::1", socket.gethostname(), *hosts)
    return tuple(dict.fromkeys(text for host in candidates if (text := _covered(host))))


def ensure(directory: Path, *, names: Iterable[str], now: datetime) -> Certificate:
    """Keeps a certificate for `names` in `directory`: makes it, or makes it anew when it must be replaced.

    It is replaced when it does not fit its key, covers other names, or ends within 30 days of `now`.
    Raises OSError when `directory` cannot be written.
    """
    wanted = tuple(names)
    found = Certificate(directory / "certificate.pem", directory / "key.pem", is_new=False)
    if _is_good(found, wanted, now):
        return found
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    # PKCS#8 is the one form that granian reads.
    _write(found.key, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    _write(found.certificate, _sign(key, wanted, now).public_bytes(Encoding.PEM))
    return Certificate(found.certificate, found.key, is_new=True)


def _covered(host: str) -> str:
    bare = host.strip().strip("[]").partition("%")[0]
    try:
        address = ip_address(bare)
    except ValueError:
        name = bare.lower().rstrip(".")
        return name if name.isascii() and name.replace("-", "a").replace(".", "a").isalnum() else ""
    return "" if address.is_unspecified else str(address)


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _is_good(found: Certificate, names: tuple[str, ...], now: datetime) -> bool:
    try:
        certificate = x509.load_pem_x509_certificate(found.certificate.read_bytes())
        key = load_pem_private_key(found.key.read_bytes(), password=None)
        covered = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError, TypeError, x509.ExtensionNotFound):
        return False
    form = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    return (
        certificate.public_key().public_bytes(*form) == key.public_key().public_bytes(*form)
        and set(covered) == {_general_name(name) for name in names}
        and certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc - _RENEW_BEFORE
    )


def _sign(key: ec.EllipticCurvePrivateKey, names: tuple[str, ...], now: datetime) -> x509.Certificate:
    common = next((name for name in reversed(names) if len(name) <= _LONGEST_COMMON_NAME), "localhost")
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Device Update Service"),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    public = key.public_key()
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now - _BACKDATED + _LIFETIME)
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), critical=False)
        .sign(key, hashes.SHA256())
    )


def _write(path: Path, content: bytes) -> None:
    """Writes `path` whole or not at all, readable by its owner only."""
    unfinished = path.with_name(path.name + ".new")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    unfinished.replace(path)
