"""Positions and velocities as bytes that any platform and version can go on from."""

from io import BytesIO

import numpy as np


def pack_state(positions: np.ndarray, velocities: np.ndarray) -> bytes:
    """Bytes of positions, nm, and velocities, nm/ps, (M, 3) float64 each, exactly."""
    buffer = BytesIO()
    np.save(buffer, np.stack([positions, velocities]), allow_pickle=False)
    return buffer.getvalue()


def unpack_state(state: bytes) -> np.ndarray:
    """Inverse of `pack_state`, (2, M, 3); raises ValueError for other bytes."""
    return np.load(BytesIO(state), allow_pickle=False)
