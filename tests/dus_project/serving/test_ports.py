"""Before anything is started, it is known whether the ports are free, and what to do when they are not."""

import socket
from pathlib import Path

import pytest

from dus_project.serving import ports
from dus_project.serving.ports import Port
from tests.e2e.processes import free_port


def test_a_port_in_use_is_named_with_its_variable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        number = listener.getsockname()[1]
        reason = ports.why_not_free(Port("127.0.0.1", number, "DUS_HTTP_PORT"))
    assert reason.startswith(f"DUS_HTTP_PORT={number} on 127.0.0.1: another program uses this port")
    assert "set DUS_HTTP_PORT to another number" in reason


def test_a_free_port_has_nothing_against_it() -> None:
    assert ports.why_not_free(Port("127.0.0.1", free_port(), "DUS_HTTP_PORT")) == ""


@pytest.mark.parametrize("address", ["192.0.2.7", "no address"])
def test_an_address_of_another_machine_is_refused(address: str) -> None:
    assert "DUS_BIND" in ports.why_not_free(Port(address, 18999, "DUS_HTTP_PORT"))


def test_a_port_that_is_left_in_time_is_free() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    port = Port("127.0.0.1", listener.getsockname()[1], "DUS_HTTP_PORT")
    assert ports.wait_until_free(port, patience=0.3)
    listener.close()
    assert not ports.wait_until_free(port, patience=0.3)


@pytest.mark.parametrize(
    ("bound", "origin"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000"),
        ("0.0.0.0", "http://127.0.0.1:8000"),  # noqa: S104 - nothing is bound to it
        ("::", "http://[::1]:8000"),
        ("192.0.2.7", "http://192.0.2.7:8000"),
        ("updates.example.org", "http://updates.example.org:8000"),
    ],
)
def test_the_origin_is_one_that_this_machine_can_call(bound: str, origin: str) -> None:
    assert Port(bound, 8000, "DUS_HTTP_PORT").origin == origin


def test_a_certificate_makes_it_https(tmp_path: Path) -> None:
    assert Port("127.0.0.1", 8443, "DUS_HTTPS_PORT", tmp_path).origin == "https://127.0.0.1:8443"


def test_nobody_answers_on_a_free_port() -> None:
    assert not ports.answers(Port("127.0.0.1", free_port(), "DUS_HTTP_PORT"), patience=0.5)
