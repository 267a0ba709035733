"""System checks: settings that are each in order and wrong together. Each says what to change."""

import ipaddress
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from django.conf import settings
from django.core import checks

Found = Iterator[checks.CheckMessage]

_LOOPBACK_NAMES: Final = {"", "localhost"}


def register_all() -> None:
    """Tells Django of these checks; those for production run with `check --deploy` only."""
    for check in (base_urls, folders, object_store, queue, limits, machines, debugging):
        checks.register(_listed(check))
    checks.register(_listed(production), deploy=True)


def _listed(check: Callable[[], Found]) -> Callable[..., list[checks.CheckMessage]]:
    def run(**_options: Any) -> list[checks.CheckMessage]:
        return list(check())

    return run


def base_urls() -> Found:
    """The URLs that devices are given must exist, suit their side, and be reachable from another machine."""
    if not settings.DUS_INTERNAL_URL:
        yield checks.Error(
            "DUS_INTERNAL_URL is empty: devices inside the firewall would be given no place to download from.",
            hint="Set it to the URL by which they reach this service, such as http://updates.example.org.",
            id="dus.E001",
        )
    if not settings.DUS_EXTERNAL_URL:
        yield checks.Error(
            "DUS_EXTERNAL_URL is empty: devices outside the firewall would be given no place to download from.",
            hint="Set it to the URL by which they reach this service, such as https://updates.example.org.",
            id="dus.E002",
        )
    elif not settings.DUS_EXTERNAL_URL.startswith("https://"):
        yield checks.Error(
            f"DUS_EXTERNAL_URL={settings.DUS_EXTERNAL_URL} is not https: passwords would cross the Internet in the clear.",
            hint="Write it with https://; devices outside are served over TLS only.",
            id="dus.E003",
        )
    if _is_loopback(settings.DUS_BIND) and _is_embedded():
        return
    for name in ("DUS_INTERNAL_URL", "DUS_EXTERNAL_URL"):
        value = getattr(settings, name)
        if value and _is_loopback(urlsplit(value).hostname or ""):
            yield checks.Warning(
                f"{name}={value} names the loopback address: no other machine can download from there.",
                hint=f"Set {name} to a URL with this service's name or address on the network.",
                id="dus.W001",
            )


def folders() -> Found:
    """Packages, updates and scratch files need folders that can be written."""
    wanted = [("dus.E005", "the scratch folder", Path(settings.DUS_SCRATCH_DIR))]
    if settings.DUS_STORAGE == "local":
        state = Path(settings.STATE_DIR)
        wanted += [
            ("dus.E004", "the folder of packages", state / "packages"),
            ("dus.E004", "the update store", state / "store"),
        ]
    for number, what, folder in wanted:
        if reason := _why_not_writable(folder):
            yield checks.Error(
                f"{folder}, {what}, cannot be written: {reason}.",
                hint="Give the service's user the right to write there, free some space, or set DUS_STATE_DIR elsewhere.",
                id=number,
            )


def object_store() -> Found:
    """An object store needs a bucket, and nginx cannot serve its files from a folder."""
    if settings.DUS_STORAGE != "s3":
        return
    if not settings.DUS_S3_BUCKET:
        yield checks.Error(
            "DUS_STORAGE=s3, and no bucket is named.", hint="Set DUS_S3_BUCKET to its name.", id="dus.E006"
        )
    if settings.DUS_ACCEL_PREFIX:
        yield checks.Error(
            f"DUS_ACCEL_PREFIX={settings.DUS_ACCEL_PREFIX} lets nginx serve a folder, and DUS_STORAGE=s3 keeps no file there.",
            hint="Leave DUS_ACCEL_PREFIX empty: devices are sent to the object store by signed URLs.",
            id="dus.E007",
        )


def queue() -> Found:
    """Redis gives a message to a second worker when its visibility time-out is over, even while the first works on it."""
    if not _broker().startswith("redis"):
        return
    if settings.DUS_VISIBILITY_TIMEOUT <= settings.CELERY_TASK_TIME_LIMIT:
        yield checks.Error(
            f"DUS_VISIBILITY_TIMEOUT={settings.DUS_VISIBILITY_TIMEOUT} is not longer than "
            f"DUS_TASK_TIME_LIMIT={settings.CELERY_TASK_TIME_LIMIT}: Redis would hand out a task that still runs.",
            hint="Make DUS_VISIBILITY_TIMEOUT at least a minute longer than DUS_TASK_TIME_LIMIT.",
            id="dus.E008",
        )


def limits() -> Found:
    """What may run long must fit into what it runs in."""
    wall = settings.DUS_LIMITS["wall_seconds"]
    if wall >= settings.CELERY_TASK_SOFT_TIME_LIMIT:
        yield checks.Error(
            f"DUS_LIMIT_WALL_SECONDS={wall} does not fit into DUS_TASK_TIME_LIMIT={settings.CELERY_TASK_TIME_LIMIT} "
            "(less 30 s to tidy up): a large package would be killed again and again instead of being refused.",
            hint="Raise DUS_TASK_TIME_LIMIT or lower DUS_LIMIT_WALL_SECONDS.",
            id="dus.E009",
        )
    if settings.DUS_LEASE_SECONDS > settings.CELERY_TASK_TIME_LIMIT:
        yield checks.Warning(
            f"DUS_LEASE_SECONDS={settings.DUS_LEASE_SECONDS} is longer than "
            f"DUS_TASK_TIME_LIMIT={settings.CELERY_TASK_TIME_LIMIT}: the package of a killed worker waits longer "
            "than any worker may work on it.",
            hint="Lower DUS_LEASE_SECONDS; a worker that lives renews its lease, so that a minute is enough.",
            id="dus.W002",
        )


def machines() -> Found:
    """Several machines share a database and a queue, or neither."""
    broker = urlsplit(_broker())
    on_sqlite = _on_sqlite()
    if on_sqlite and broker.scheme.startswith("redis") and not _is_loopback(broker.hostname or ""):
        yield checks.Warning(
            f"The queue is on another machine ({broker.hostname}), and the database is an SQLite file on this one: "
            "workers on other machines would find none of the jobs.",
            hint="Set DUS_DATABASE_URL to a PostgreSQL database, or use a queue on this machine.",
            id="dus.W003",
        )
    host = str(settings.DATABASES["default"].get("HOST", ""))
    if (
        not on_sqlite
        and broker.scheme == "filesystem"
        and not host.startswith("/")
        and not _is_loopback(host)
    ):
        yield checks.Warning(
            f"The database is on another machine ({host}), and the queue is a folder of this one: "
            "workers on other machines would get none of the jobs at once.",
            hint="Set DUS_BROKER_URL to a Redis server, such as redis://redis.example.org/0.",
            id="dus.W004",
        )


def debugging() -> Found:
    """Error pages with internals are for the developer's own machine."""
    if settings.DEBUG and not _is_loopback(settings.DUS_BIND):
        yield checks.Error(
            f"DUS_DEBUG is on, and the service listens on {settings.DUS_BIND}: anyone there could read settings and source.",
            hint="Set DUS_DEBUG=false, or DUS_BIND=127.0.0.1.",
            id="dus.E010",
        )


def production() -> Found:
    """What only matters where others rely on the service."""
    if "*" in settings.ALLOWED_HOSTS:
        yield checks.Warning(
            "DUS_ALLOWED_HOSTS contains *: the console would answer under any name, also one that an attacker chose.",
            hint="List the console's host names; devices are answered under any name as it is.",
            id="dus.W005",
        )
    trusted = settings.DUS_TRUSTED_PROXIES
    if settings.SECURE_SSL_REDIRECT and not trusted.networks and not trusted.unix:
        yield checks.Warning(
            "DUS_HTTPS_ONLY is on and no proxy is trusted: behind a proxy that ends TLS, the console would redirect for ever.",
            hint="Set DUS_TRUSTED_PROXIES to the proxy's address, or to unix where it comes by a Unix socket.",
            id="dus.W006",
        )


def _broker() -> str:
    return str(settings.CELERY_BROKER_URL)


def _on_sqlite() -> bool:
    return bool(settings.DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3")


def _is_embedded() -> bool:
    """Whether all runs on one machine, as `make serve` does: a file database and a folder as queue."""
    return _on_sqlite() and _broker().startswith(("filesystem:", "memory:"))


def _is_loopback(host: str) -> bool:
    if host in _LOOPBACK_NAMES:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _why_not_writable(folder: Path) -> str:
    """Looks at the folder or, as long as it is not made yet, at what it will be made in."""
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    try:
        with tempfile.TemporaryFile(dir=existing):
            return ""
    except OSError as error:
        return error.strerror or str(error)
