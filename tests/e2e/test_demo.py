"""`make demo` tells the whole story, and leaves nothing behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dus_project.demonstration.steps import StepError, require, step
from tests.e2e.processes import ROOT


def start(scratch: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "dus_project.demo"],
        cwd=ROOT,
        env=os.environ | {"TMPDIR": str(scratch)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.e2e
def test_every_step_of_the_demonstration_holds_and_nothing_is_left(tmp_path: Path) -> None:
    demo = start(tmp_path)
    said, _nothing = demo.communicate(timeout=240)

    assert demo.returncode == 0, said
    *steps, end = said.splitlines()
    assert all(line.startswith("✓") for line in steps), said
    assert len(steps) == 15
    assert end.startswith("Every step held")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.e2e
def test_whoever_ends_the_demonstration_ends_the_service_with_it(tmp_path: Path) -> None:
    demo = start(tmp_path)
    while not list(tmp_path.glob("dus-demo-*/state/logs/web-http.log")):
        assert demo.poll() is None
        time.sleep(0.1)
    demo.send_signal(signal.SIGTERM)
    said, _nothing = demo.communicate(timeout=60)

    assert demo.returncode == 130, said
    assert list(tmp_path.iterdir()) == []


def test_a_step_that_does_not_hold_is_marked_and_stops_the_story() -> None:
    said: list[str] = []

    with pytest.raises(StepError, match="it fell"), step("a house of cards", say=said.append):
        require([], "it fell")

    assert said[0].startswith("✗")
    assert said[0].endswith("a house of cards")
