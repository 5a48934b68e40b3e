"""Float32 matrix products as float32, for what Python runs of a network; steps are pinned by the compiled
part.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def full_precision() -> Iterator[None]:
    """Hold torch to float32 in matrix products, and put back what the process asked for; also a decorator.

    None of `torch.set_float32_matmul_precision`, `torch.backends.*.fp32_precision` and `torch.autocast`
    counts inside.
    """
    # imported late: a Card is of use without the compiled plugin
    from openmm_scoredyn.program.native import scoredyn

    with (
        scoredyn.FullPrecision(),
        torch.autocast("cpu", enabled=False),
        torch.autocast("cuda", enabled=False),
    ):
        yield
