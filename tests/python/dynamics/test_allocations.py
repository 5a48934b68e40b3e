"""After the first steps, none of our own code allocates; what torch and the drivers do is theirs."""

import sys
from pathlib import Path

import pytest
from platforms import platforms_here

sys.path.insert(0, str(Path(__file__).parents[3] / "benchmarks"))
import allocations


@pytest.mark.skipif(sys.platform != "linux", reason="the counter stands between the program and glibc")
@pytest.mark.parametrize("platform", platforms_here(("Reference", "OpenCL")))
def test_a_step_allocates_nothing_of_ours(platform):
    found = allocations.per_step(platform)
    assert found["libtorch_cpu.so"][0] > 100, "the counter does not count"
    assert [library for library in found if "ScoreDyn" in library or library == "?"] == []
