"""How far two distributions are apart."""

import numpy as np


def jensen_shannon(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Jensen-Shannon divergence, base 2 (bits, 0 to 1; not its square root), of histograms (..., K); (...),
    NaN for an empty one.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        p = first / first.sum(axis=-1, keepdims=True)
        q = second / second.sum(axis=-1, keepdims=True)
        middle = 0.5 * (p + q)
        terms = np.where(p > 0, p * np.log2(p / middle), 0.0) + np.where(q > 0, q * np.log2(q / middle), 0.0)
    return 0.5 * terms.sum(axis=-1)
