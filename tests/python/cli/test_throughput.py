"""Physical time per wall time, as the commands report it."""

import pytest

from openmm_scoredyn.cli import throughput
from openmm_scoredyn.cli.throughput import Throughput


@pytest.fixture
def clock(monkeypatch):
    """Seconds that the test sets."""
    now = [100.0]
    monkeypatch.setattr(throughput.time, "monotonic", lambda: now[0])
    return now


def test_speed_counts_from_the_first_report_on(clock):
    speed = Throughput()
    speed.update(500.0)  # found on restart
    assert speed.text() == ""
    clock[0] += 10.0
    speed.update(530.0)
    assert speed.text() == ", 3.00 ps/s (259.20 ns/day)"


def test_what_was_complete_before_has_no_speed(clock):
    speed = Throughput()
    for done in (61.0, 122.0):
        clock[0] += 1e-4
        speed.update(done)
    assert speed.text() == ""
