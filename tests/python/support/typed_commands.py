"""Commands as they are typed."""

import sys

import pytest

from openmm_scoredyn.cli import main


def typed(*arguments) -> None:
    """`scoredyn` with these arguments, which must succeed."""
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as stop:
        patch.setattr(sys, "argv", ["scoredyn", *map(str, arguments)])
        main()
    assert stop.value.code == 0
