"""Brings the state directory to where the service can start; quick when there is nothing to do."""

import hashlib
import secrets
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.staticfiles.finders import get_finders
from django.core.checks import CheckMessage, Error, run_checks
from django.core.management import call_command
from django.db import transaction

from dus_project import certificates
from dus_project.health import missing_migrations

Say = Callable[[str], object]

ADMINISTRATOR: Final = "admin"
_PASSWORD_BYTES: Final = 12
_FOLDERS: Final = ("logs", "packages", "queue/messages", "queue/control", "scratch", "secrets", "store")


class PreparationError(Exception):
    """The service cannot start; the text says why and what to do."""


def make_folders(state: Path) -> None:
    """Makes the state directory, for its owner only, and the folders in it.

    Raises PreparationError when it cannot be written.
    """
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        state.chmod(0o700)
        for folder in _FOLDERS:
            (state / folder).mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise PreparationError(
            f"{error.filename or state}: {error.strerror}. The state directory must be a folder that you may write; "
            "set DUS_STATE_DIR to another one."
        ) from error


def check_settings(say: Say) -> None:
    """Says what the system checks found. Raises PreparationError when one of them forbids the start."""
    found = run_checks()
    for message in found:
        say(_in_words(message))
    if any(message.level >= Error("").level for message in found):
        raise PreparationError("The settings do not fit together; see above.")


def _in_words(message: CheckMessage) -> str:
    hint = f"\n  {message.hint}" if message.hint else ""
    return f"{message.id}: {message.msg}{hint}"


def migrate(say: Say) -> None:
    """Brings the database to the present schema."""
    if missing_migrations():
        say("Bringing the database up to date ...")
        call_command("migrate", verbosity=0, interactive=False)


def collect_static(say: Say, state: Path) -> None:
    """Copies the console's scripts, styles and pictures to where they are served from, when one of them changed."""
    stamp = state / "static.fingerprint"
    present = _static_fingerprint()
    known = stamp.read_text(encoding="utf-8") if stamp.exists() else ""
    if known == present and Path(settings.STATIC_ROOT).is_dir():
        return
    say("Collecting the console's static files ...")
    stamp.unlink(missing_ok=True)
    call_command("collectstatic", verbosity=0, interactive=False, clear=True)
    stamp.write_text(present, encoding="utf-8")


def _static_fingerprint() -> str:
    digest = hashlib.sha256()
    for finder in get_finders():
        for name, storage in finder.list([]):
            status = Path(storage.path(name)).stat()
            digest.update(f"{name}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def make_administrator() -> str:
    """Makes the first user, an administrator, and returns the password; empty when there are users already."""
    users = get_user_model().objects
    with transaction.atomic():
        if users.exists():
            return ""
        password = secrets.token_urlsafe(_PASSWORD_BYTES)
        users.create_superuser(ADMINISTRATOR, password=password)
    return password


def make_certificate(state: Path, now: datetime) -> certificates.Certificate:
    """Makes or keeps the certificate for this machine, the bound address and the external URL.

    One that the settings name is used as it is. Raises PreparationError when that one cannot be used.
    """
    if settings.DUS_TLS_CERTIFICATE or settings.DUS_TLS_KEY:
        try:
            return certificates.given(settings.DUS_TLS_CERTIFICATE, settings.DUS_TLS_KEY)
        except certificates.CertificateError as error:
            raise PreparationError(str(error)) from error
    external = urlsplit(settings.DUS_EXTERNAL_URL).hostname or ""
    return certificates.ensure(
        state / "secrets", names=certificates.names_to_cover(settings.DUS_BIND, external), now=now
    )
