"""`make serve`, as the one who types it meets it. The Makefile runs this very module."""

import os
import re
import signal
import socket
import ssl
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import pytest
import requests

from tests.e2e.processes import Process, Service, eventually, free_port

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

SERVE = (sys.executable, "-m", "dus_project.serve")
RUNNING = "The Device Update Service is running."


@dataclass
class Installation:
    """A state directory of its own, and the ports that its services listen on."""

    service: Service
    http: str
    https: str

    @property
    def certificate(self) -> str:
        return str(self.service.state / "secrets" / "certificate.pem")

    def serve(self) -> Process:
        """Starts the service and waits until it says that it runs."""
        process = self.service.start("serve", *SERVE)
        assert eventually(lambda: RUNNING in process.output() or process.popen.poll() is not None, within=60)
        assert RUNNING in process.output(), process.output()
        return process

    def serve_in_vain(self, **environment: str) -> str:
        """Starts a service that must refuse; gives what it said."""
        process = self.service.start("refused", *SERVE, environment=environment)
        assert process.popen.wait(timeout=30) == 1
        return process.output()


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    http, https = free_port(), free_port()
    state = tmp_path / "state"
    environment = {
        "DUS_ENV_FILE": os.devnull,
        "DUS_DATABASE_URL": "",
        "DUS_HTTP_PORT": str(http),
        "DUS_HTTPS_PORT": str(https),
    }
    service = Service(state, environment)
    yield Installation(service, f"http://127.0.0.1:{http}", f"https://127.0.0.1:{https}")
    service.close()
    for pid in processes_of(state):
        os.kill(pid, signal.SIGKILL)


def processes_of(state: Path) -> list[int]:
    """All processes that were started for this state directory, children of children too."""
    wanted = f"DUS_STATE_DIR={state}".encode()
    found = []
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and wanted in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def password_in(output: str) -> str:
    found = re.search(r"Password +(\S+)", output)
    assert found is not None, output
    return found[1]


def sign_in(origin: str, password: str, *, verify: str | bool = True) -> requests.Response:
    """Signs in to the console as a browser does; gives the page behind the sign-in."""
    with requests.Session() as session:
        url = f"{origin}/admin/login/?next=/admin/"
        session.get(url, verify=verify, timeout=10)
        form = {
            "username": "admin",
            "password": password,
            "csrfmiddlewaretoken": session.cookies["csrftoken"],
            "next": "/admin/",
        }
        return session.post(url, data=form, headers={"Referer": url}, verify=verify, timeout=10)


def test_the_first_start_says_where_everything_is_and_the_password_lets_one_in(
    installation: Installation,
) -> None:
    process = installation.serve()
    said = process.output()
    for address in (
        f"{installation.https}/admin/",
        f"{installation.http}/admin/",
        f"{installation.http}/RequestHandler/ucdevice.upx",
        f"{installation.https}/RequestHandlerExt/ucdevice.upx",
        f"{installation.http}/provisioning/",
        "manage.py changepassword admin",
    ):
        assert address in said
    password = password_in(said)
    for origin, verify in ((installation.http, True), (installation.https, installation.certificate)):
        assert requests.get(f"{origin}/healthz", verify=verify, timeout=10).text == "ok\n"
        page = sign_in(origin, password, verify=verify)
        assert (page.status_code, page.url) == (HTTPStatus.OK, f"{origin}/admin/")
    logs = "".join(path.read_text() for path in (installation.service.state / "logs").glob("w*.log"))
    assert password not in logs


def test_devices_are_answered_on_both_sides(installation: Installation) -> None:
    installation.serve()
    inside = requests.post(f"{installation.http}/RequestHandler/ucdevice.upx", data=b"", timeout=10)
    outside = requests.post(
        f"{installation.https}/RequestHandlerExt/ucdevice.upx",
        data=b"",
        verify=installation.certificate,
        timeout=10,
    )
    unencrypted = requests.post(f"{installation.http}/RequestHandlerExt/ucdevice.upx", data=b"", timeout=10)
    assert inside.status_code == HTTPStatus.BAD_REQUEST
    assert outside.status_code == HTTPStatus.UNAUTHORIZED
    assert unencrypted.status_code == HTTPStatus.FORBIDDEN
    assert requests.get(f"{installation.http}/provisioning/", timeout=10).status_code == HTTPStatus.OK


def test_a_device_may_speak_tls_1_2(installation: Installation) -> None:
    installation.serve()
    port = int(installation.https.rpartition(":")[2])
    context = ssl.create_default_context(cafile=installation.certificate)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with (
        socket.create_connection(("127.0.0.1", port)) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as encrypted,
    ):
        assert encrypted.version() == "TLSv1.2"


def test_a_stop_leaves_no_process_and_the_next_start_no_new_password(installation: Installation) -> None:
    first = installation.serve()
    assert first.stop(within=15) == 0
    assert processes_of(installation.service.state) == []
    again = installation.serve()
    assert "Password" not in again.output()
    again.popen.send_signal(signal.SIGINT)
    assert again.popen.wait(timeout=15) == 0
    assert again.output().endswith("Stopped.\n")


def test_a_second_start_on_the_same_state_is_refused(installation: Installation) -> None:
    first = installation.serve()
    said = installation.serve_in_vain()
    assert f"running already on {installation.service.state} (process {first.popen.pid})" in said
    assert "set DUS_STATE_DIR" in said
    assert requests.get(f"{installation.http}/healthz", timeout=10).ok


def test_a_port_in_use_is_refused_before_anything_starts(installation: Installation, tmp_path: Path) -> None:
    installation.serve()
    said = installation.serve_in_vain(DUS_STATE_DIR=str(tmp_path / "other"))
    assert "another program uses this port; stop it, or set DUS_HTTP_PORT to another number" in said
    assert "Traceback" not in said


def test_a_wrong_setting_is_refused_without_a_traceback(installation: Installation) -> None:
    said = installation.serve_in_vain(DUS_HTTP_PORT="many")
    assert said.strip() == "DUS_HTTP_PORT=many: write a whole number"


def test_killing_the_supervisor_takes_everything_along_and_the_next_start_works(
    installation: Installation,
) -> None:
    first = installation.serve()
    os.kill(first.popen.pid, signal.SIGKILL)
    first.popen.wait()
    assert eventually(lambda: not processes_of(installation.service.state), within=20)
    installation.serve()


def test_a_part_that_dies_is_started_again(installation: Installation) -> None:
    process = installation.serve()
    port = installation.http.rpartition(":")[2].encode()
    parts = processes_of(installation.service.state)
    web = min(pid for pid in parts if port in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"))
    os.kill(web, signal.SIGKILL)
    assert eventually(lambda: "It is started again in 1 s." in process.output(), within=10)
    assert eventually(lambda: answers(installation.http), within=20)


def answers(origin: str) -> bool:
    try:
        return requests.get(f"{origin}/healthz", timeout=2).ok
    except requests.ConnectionError:
        return False


def test_it_starts_without_a_home_and_keeps_its_files_to_itself(installation: Installation) -> None:
    installation.service.environment["HOME"] = ""
    installation.serve()
    state = installation.service.state
    logs = state.joinpath("logs").glob("w*.log")
    for path in (state, state / "database.sqlite3", *state.joinpath("secrets").iterdir(), *logs):
        assert path.stat().st_mode & 0o077 == 0, path
