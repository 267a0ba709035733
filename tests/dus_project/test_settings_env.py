"""A wrong value stops the start, names the variable, and says how to mend it."""

import os
import secrets
import stat
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from dus_project.settings import env

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("value", "read", "hint"),
    [
        ("ten", lambda: env.integer("DUS_X", 1, minimum=1), "write a whole number"),
        ("0", lambda: env.integer("DUS_X", 1, minimum=1), "at least 1"),
        ("70000", lambda: env.integer("DUS_X", 1, minimum=1, maximum=65535), "at least 1 and at most 65535"),
        ("maybe", lambda: env.boolean("DUS_X", default=False), "write true or false"),
        ("ftp://a", lambda: env.origin("DUS_X", ""), "write a URL such as"),
        ("https://", lambda: env.origin("DUS_X", ""), "write a URL such as"),
        ("https://a/?q=1", lambda: env.origin("DUS_X", ""), "write a URL such as"),
        ("10.0.0.1/8", lambda: env.networks("DUS_X", []), "bits set behind its prefix"),
        ("intranet", lambda: env.networks("DUS_X", []), "is not a network"),
        ("disk", lambda: env.choice("DUS_X", "local", ("local", "s3")), "choose one of local, s3"),
        ("Mars/Olympus", lambda: env.time_zone("DUS_X", "UTC"), "write a time zone such as"),
        ("../zone", lambda: env.time_zone("DUS_X", "UTC"), "write a time zone such as"),
    ],
)
def test_a_wrong_value_is_refused_with_its_name_and_a_hint(
    monkeypatch: pytest.MonkeyPatch, value: str, read: Callable[[], object], hint: str
) -> None:
    monkeypatch.setenv("DUS_X", value)
    with pytest.raises(ImproperlyConfigured, match=r"^DUS_X=") as refused:
        read()
    assert hint in str(refused.value)
    assert value in str(refused.value)


@pytest.mark.parametrize(
    ("value", "read", "expected"),
    [
        (" 8_000 ", lambda: env.integer("DUS_X", 1, minimum=1), 8000),
        ("On", lambda: env.boolean("DUS_X", default=False), True),
        ("off", lambda: env.boolean("DUS_X", default=True), False),
        ("https://updates.example.org/", lambda: env.origin("DUS_X", ""), "https://updates.example.org"),
        ("", lambda: env.origin("DUS_X", "https://default.example.org"), ""),
        ("a, b c", lambda: env.words("DUS_X", []), ["a", "b", "c"]),
        ("Asia/Tokyo", lambda: env.time_zone("DUS_X", "UTC"), "Asia/Tokyo"),
    ],
)
def test_a_right_value_is_read(
    monkeypatch: pytest.MonkeyPatch, value: str, read: Callable[[], object], expected: object
) -> None:
    monkeypatch.setenv("DUS_X", value)
    assert read() == expected


def test_a_wrong_database_url_is_refused_without_showing_its_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DUS_X", "postgres://user:hush@host:notaport/name")
    with pytest.raises(ImproperlyConfigured, match="write a URL such as postgres://") as refused:
        env.database("DUS_X", "sqlite:////nowhere")
    assert "hush" not in str(refused.value)


def test_a_secret_comes_from_the_file_that_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("from the file\n")
    monkeypatch.setenv("DUS_X", "from the environment")
    monkeypatch.setenv("DUS_X_FILE", str(tmp_path / "secret"))
    assert env.secret("DUS_X") == "from the file"


def test_a_secret_file_that_is_missing_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DUS_X_FILE", str(tmp_path / "absent"))
    with pytest.raises(ImproperlyConfigured, match=r"DUS_X_FILE=.*name a readable file"):
        env.secret("DUS_X", "default")


def test_a_secret_without_a_default_must_be_set() -> None:
    with pytest.raises(ImproperlyConfigured, match="set DUS_X or DUS_X_FILE"):
        env.secret("DUS_X")


def test_a_generated_secret_is_kept_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "secrets" / "secret_key"
    first = env.secret("DUS_X", kept_in=path)
    assert len(first) >= 50
    assert env.secret("DUS_X", kept_in=path) == first
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_processes_that_start_at_once_share_one_secret(tmp_path: Path) -> None:
    path = tmp_path / "secrets" / "secret_key"
    with ThreadPoolExecutor(16) as pool:
        found = set(pool.map(lambda _number: env.secret("DUS_X", kept_in=path), range(64)))
    assert found == {path.read_text()}
    assert list(path.parent.iterdir()) == [path]


def test_a_secret_is_in_its_file_as_soon_as_there_is_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "secrets" / "secret_key"
    made = secrets.token_urlsafe

    def watched(size: int) -> str:
        assert not path.exists()
        return made(size)

    monkeypatch.setattr(secrets, "token_urlsafe", watched)
    assert env.secret("DUS_X", kept_in=path) == path.read_text()


def test_an_empty_secret_is_refused_and_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "secret_key"
    path.write_text("\n")
    with pytest.raises(ImproperlyConfigured, match="secret_key is empty: delete it"):
        env.secret("DUS_X", kept_in=path)
    assert path.read_text() == "\n"


@pytest.mark.parametrize("command", [["manage.py", "check"], ["-m", "dus_project.serve"]])
def test_a_wrong_setting_is_told_in_one_line(tmp_path: Path, command: list[str]) -> None:
    environment = os.environ | {"DUS_STATE_DIR": str(tmp_path), "DUS_HTTP_PORT": "eighty"}
    environment |= {"DJANGO_SETTINGS_MODULE": "dus_project.settings.base"}
    ended = subprocess.run(
        [sys.executable, *command], env=environment, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1
    (line,) = (ended.stdout + ended.stderr).strip().splitlines()
    assert line == "DUS_HTTP_PORT=eighty: write a whole number"


@pytest.mark.parametrize(
    ("url", "threads"), [("", "512"), ("postgres://user:password@127.0.0.1:1/name", "24")]
)
def test_a_database_server_gets_few_connections(tmp_path: Path, url: str, threads: str) -> None:
    environment = os.environ | {"DUS_STATE_DIR": str(tmp_path), "DUS_DATABASE_URL": url}
    program = "from dus_project.settings import base; print(base.DUS_WEB_THREADS)"
    ended = subprocess.run(
        [sys.executable, "-c", program], env=environment, cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert ended.stdout.strip() == threads


def test_a_file_of_variables_gives_way_to_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("DUS_X=from the file\nDUS_Y=also\n")
    monkeypatch.delenv("DUS_ENV_FILE", raising=False)
    monkeypatch.setenv("DUS_X", "from the environment")
    monkeypatch.setenv("DUS_Y", "")
    monkeypatch.delenv("DUS_Y")
    env.load_file(tmp_path / ".env")
    assert (os.environ["DUS_X"], os.environ["DUS_Y"]) == ("from the environment", "also")
    monkeypatch.delenv("DUS_Y")


def test_a_file_of_variables_that_is_named_and_missing_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DUS_ENV_FILE", str(tmp_path / "absent"))
    with pytest.raises(ImproperlyConfigured, match=r"DUS_ENV_FILE=.*cannot be read"):
        env.load_file(tmp_path / ".env")
