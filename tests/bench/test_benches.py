"""The benches run, hold every answer to what it must say, and end with the figures that others read."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench import fleet
from bench.load import Load, WrongAnswerError, send
from bench.service import scratch, service
from updates import protocol

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.e2e


def run(*command: str, folder: Path = ROOT) -> dict[str, Any]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DUS_")}
    done = subprocess.run(
        [sys.executable, *command], cwd=folder, env=environment, check=True, capture_output=True, timeout=120
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_the_bench_of_checks_ends_with_its_figures() -> None:
    found = run("bench/check.py", "--json", "--devices=20", "--requests=40", "--rounds=1")
    assert found["devices"] == 20
    assert found["sql_per_check"] == pytest.approx(1.1)
    assert found["inside"]["sql"] == {"offered": 2, "up_to_date": 1}
    for name in ("cpu_vs_constant_view", "cpu_ms_per_check", "checks_per_second"):
        assert found[name] > 0
    assert [one["requests"] for one in found["rounds"]["check"]] == [40]


def test_the_bench_of_downloads_ends_with_its_figures(tmp_path: Path) -> None:
    # By its file name it runs from anywhere.
    found = run(
        str(ROOT / "bench/download.py"),
        "--json",
        "--quick",
        "--mib=2",
        "--rounds=1",
        "--checks=50",
        folder=tmp_path,
    )
    assert found["slow"]["clients"] == 50
    assert found["slow"]["checks"] == 50
    for name in ("whole", "ranges_1_mib"):
        assert found[name]["mb_per_s"] > 0


def test_an_answer_that_is_not_the_expected_one_ends_the_measurement() -> None:
    # Nothing was imported, so the device that is behind is offered nothing.
    wrong = pytest.raises(WrongAnswerError, match="downloads=1< was expected")
    with scratch("") as made, service(made) as server, wrong:
        send(Load(server.port, requests=4, devices=4, seconds=5))


def test_the_body_of_a_check_is_one_that_the_service_reads() -> None:
    body = fleet.check(7)
    assert 600 < len(body) < 800
    assert protocol.parse_check(body, protocol.XML).mac == fleet.mac(7) == "00-15-5D-00-00-07"
