"""The supervisor's children are logged within bounds, brought back, and ended with all that they started."""

import os
import sys
import time
from pathlib import Path

import pytest

from dus_project.serving.children import BoundedLog, Child, Plan, pause_before_restart, stop_all
from tests.e2e.processes import eventually


def make_child(folder: Path, program: str) -> Child:
    return Child(
        Plan(
            name="part",
            command=(sys.executable, "-S", "-u", "-c", program),
            environment={"FROM_THE_PLAN": "yes"},
            folder=folder,
            log=folder / "part.log",
        )
    )


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"


def test_a_log_is_moved_aside_when_it_is_full(tmp_path: Path) -> None:
    log = BoundedLog(tmp_path / "part.log", limit=100)
    for number in range(50):
        log.write(f"line {number:03}\n".encode())
    log.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["part.log", "part.log.1"]
    assert all(path.stat().st_size <= 100 for path in tmp_path.iterdir())
    assert log.last_lines()[-1] == "line 049"
    assert len(log.last_lines()) == 15


@pytest.mark.parametrize(("deaths", "seconds"), [(1, 1), (2, 2), (3, 4), (9, 30)])
def test_pauses_before_a_restart_grow_to_half_a_minute(deaths: int, seconds: int) -> None:
    assert pause_before_restart(deaths) == seconds


def test_what_a_child_says_is_in_its_log_and_its_last_lines(tmp_path: Path) -> None:
    child = make_child(tmp_path, "import os; print('said', os.environ['FROM_THE_PLAN']); raise SystemExit(3)")
    child.start()
    assert eventually(child.tend, within=10)
    assert child.exit_status == 3
    assert child.last_lines() == ["said yes"]
    child.finish()
    assert (tmp_path / "part.log").read_text() == "said yes\n"


def test_a_dead_child_is_started_again_after_its_pause(tmp_path: Path) -> None:
    child = make_child(tmp_path, "print('once')")
    child.start()
    assert eventually(child.tend, within=10)
    assert 0 < child.pause <= 1
    assert eventually(lambda: child.tend() or len(child.last_lines()) > 1, within=10)
    child.finish()


def test_a_child_that_dies_again_and_again_is_hopeless(tmp_path: Path) -> None:
    child = make_child(tmp_path, "")
    verdicts = []
    for child.quick_deaths in (0, 4, 5):
        verdicts.append(child.hopeless)
    assert verdicts == [False, False, True]
    child.finish()


def test_stopping_ends_those_that_do_not_listen_and_what_they_started(tmp_path: Path) -> None:
    deaf = (
        "import os, signal, subprocess, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "other = subprocess.Popen([sys.executable, '-S', '-c', 'import time; time.sleep(60)'])\n"
        "print(other.pid)\n"
        "time.sleep(60)\n"
    )
    child = make_child(tmp_path, deaf)
    child.start()
    assert eventually(lambda: bool(child.last_lines()), within=10)
    grandchild = int(child.last_lines()[0])
    assert is_running(grandchild)
    began = time.monotonic()
    stop_all([child], patience=0.3)
    assert time.monotonic() - began < 5
    assert eventually(lambda: not is_running(grandchild), within=5)
