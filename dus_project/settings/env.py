"""Reads `DUS_*` environment variables; a wrong value stops the start and says how to mend it.

A secret `DUS_X` may come from a file named by `DUS_X_FILE` instead, so that it stands in no process list.
"""

import os
import secrets
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import environ
from django.core.exceptions import ImproperlyConfigured

from devices.authentication.networks import Networks

_env = environ.Env()
_UNSET = environ.Env.NOTSET


def _refuse(name: str, value: object, hint: str) -> NoReturn:
    raise ImproperlyConfigured(f"{name}={value!s}: {hint}")


def load_file(path: Path) -> None:
    """Adds the variables in the file `path`, or in the one that DUS_ENV_FILE names; those already set stay.

    Lines are `NAME=value`. The file need not exist, unless DUS_ENV_FILE names it.
    """
    named = os.environ.get("DUS_ENV_FILE", "")
    if named and not os.access(named, os.R_OK):
        _refuse("DUS_ENV_FILE", named, "cannot be read; name a readable file of NAME=value lines")
    chosen = Path(named) if named else path
    if chosen.exists():
        environ.Env.read_env(chosen)


def text(name: str, default: str) -> str:
    """The variable's text without surrounding white space, or `default`."""
    return str(_env.str(name, default=default)).strip()


def choice(name: str, default: str, choices: Sequence[str]) -> str:
    """One of `choices`."""
    value = text(name, default)
    if value not in choices:
        _refuse(name, value, f"choose one of {', '.join(choices)}")
    return value


def boolean(name: str, *, default: bool) -> bool:
    """True for 1, true, yes, on; False for 0, false, no, off."""
    value = text(name, "true" if default else "false").lower()
    if value in {"1", "true", "yes", "on"}:
        return True
    if value in {"0", "false", "no", "off", ""}:
        return False
    return _refuse(name, value, "write true or false")


def integer(name: str, default: int, *, minimum: int, maximum: int | None = None) -> int:
    """A whole number between `minimum` and `maximum`, both included."""
    value = text(name, str(default))
    try:
        number = int(value.replace("_", ""))
    except ValueError:
        _refuse(name, value, "write a whole number")
    if number < minimum or (maximum is not None and number > maximum):
        upper = "" if maximum is None else f" and at most {maximum}"
        _refuse(name, value, f"write a number of at least {minimum}{upper}")
    return number


def words(name: str, default: Sequence[str]) -> list[str]:
    """Words separated by commas or white space."""
    value = text(name, ",".join(default))
    return [word for word in value.replace(",", " ").split() if word]


def networks(name: str, default: Sequence[str]) -> Networks:
    """Addresses and networks such as `10.0.0.0/8`, separated by commas."""
    listed = words(name, default)
    try:
        return Networks.parse(listed)
    except ValueError as error:
        _refuse(name, ",".join(listed), str(error))


def origin(name: str, default: str) -> str:
    """A base URL such as `https://updates.example.org`, without a trailing slash; empty is allowed here."""
    value = text(name, default).rstrip("/")
    if not value:
        return ""
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        _refuse(name, value, "write a URL such as https://updates.example.org")
    return value


def time_zone(name: str, default: str) -> str:
    """A time zone's name such as `Asia/Tokyo`."""
    value = text(name, default)
    try:
        ZoneInfo(value)
    except (KeyError, OSError, ValueError):
        _refuse(name, value, "write a time zone such as UTC, Europe/Berlin or Asia/Tokyo")
    return value


def secret(name: str, default: str | None = None, *, kept_in: Path | None = None) -> str:
    """A secret from `name`, from the file that `name`_FILE names, from `kept_in`, or `default`.

    `kept_in` is written with a random secret, readable by its owner only, when it does not exist yet.
    """
    file_name = os.environ.get(f"{name}_FILE", "")
    if file_name:
        try:
            return Path(file_name).read_text(encoding="utf-8").strip()
        except OSError as error:
            _refuse(f"{name}_FILE", file_name, f"cannot be read ({error.strerror}); name a readable file")
    value = text(name, "")
    if value:
        return value
    if kept_in is not None:
        return _kept_secret(kept_in)
    if default is None:
        _refuse(name, "", f"set {name} or {name}_FILE")
    return default


def _kept_secret(path: Path) -> str:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        # Written aside, for its owner only, so that nobody ever sees half of it.
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent) as aside:
            aside.write(secrets.token_urlsafe(48))
            aside.flush()
            os.fsync(aside.fileno())
            # Of two processes that start at once, one is the first, and both read what that one wrote.
            with suppress(FileExistsError):
                os.link(aside.name, path)
    value = path.read_text(encoding="utf-8").strip()
    if not value:
        raise ImproperlyConfigured(f"{path} is empty: delete it, and the next start makes a new secret.")
    return value


def database(name: str, default: str) -> dict[str, object]:
    """A Django database entry from a URL such as `postgres://user:password@host/name`."""
    url = secret(name, default)
    try:
        parsed = dict(environ.Env.db_url_config(url))
    except (ValueError, ImproperlyConfigured):
        _refuse(name, "(not shown)", "write a URL such as postgres://user:password@host:5432/name")
    return parsed
