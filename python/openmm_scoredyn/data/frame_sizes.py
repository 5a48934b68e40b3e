"""Whether a trajectory file is whole; of a binary one: its size against the headers of its frames.

Readers stop at a frame that is cut, without a word.
"""

import os
import struct
from functools import partial
from pathlib import Path

from openmm_scoredyn.data.frame_lines import require_whole_text
from openmm_scoredyn.errors import TrajectoryError

_XTC_MAGIC = (1995, 2023)
_XTC_UNCOMPRESSED_ATOMS = 9
# Magic number, length and text of the version, then 13 integers: 7 sizes in bytes of parts of older formats,
# box, x, v, f among them, the number of atoms, step and energies; then time and lambda.
_TRR_MAGIC, _TRR_INTEGERS, _TRR_SIZES = 1993, 13, 10
_DCD_HEAD = 92  # of the first record, with its two lengths


def require_whole(path: Path, atoms: int | None = None) -> None:
    """Refuse a file whose last frame is cut, or that holds another number of frames than it says.

    Parameters
    ----------
    path : .xtc, .trr, .dcd, .nc, or a text format of `require_whole_text`; others are let through, whose
        readers refuse what is cut
    atoms : number of atoms, where the format does not say it

    Raises
    ------
    TrajectoryError
        Naming the frame.
    """
    check = _CHECKS.get(path.suffix.lower(), partial(require_whole_text, atoms=atoms))
    try:
        check(path)
    except (OSError, struct.error) as error:
        raise TrajectoryError(
            f"Trajectory: cannot read {path} ({error}); it is cut or no trajectory: make or copy it again."
        ) from None


def _check_xtc(path: Path) -> None:
    _check_frames(path, "an XTC", 56, _xtc_frame_bytes)


def _check_trr(path: Path) -> None:
    _check_frames(path, "a TRR", 84, _trr_frame_bytes)


def _check_frames(path: Path, kind: str, shortest: int, bytes_of) -> None:
    """Walk from frame to frame; `bytes_of` gives the length of one from its first bytes, None if it is no
    frame.
    """
    size, place, frame = os.path.getsize(path), 0, 0
    with open(path, "rb") as file:
        while place < size:
            file.seek(place)
            head = file.read(96)
            if len(head) < shortest:
                raise _cut(path, frame, place + shortest, size)
            length = bytes_of(head)
            if length is None:
                raise TrajectoryError(
                    f"Trajectory: {path} is damaged at frame {frame}, byte {place}; expected the head of"
                    f" {kind} frame, found other bytes; make or copy it again."
                )
            place += length
            if place > size:
                raise _cut(path, frame, place, size)
            frame += 1


def _xtc_frame_bytes(head: bytes) -> int | None:
    magic, atoms = struct.unpack(">ii", head[:8])
    if magic not in _XTC_MAGIC:
        return None
    if atoms <= _XTC_UNCOMPRESSED_ATOMS:
        return 56 + 12 * atoms
    # The later format counts its compressed bytes in 64 bits.
    length, code = (4, ">i") if magic == _XTC_MAGIC[0] else (8, ">q")
    (compressed,) = struct.unpack(code, head[88 : 88 + length])
    return 88 + length + (compressed + 3) // 4 * 4


def _trr_frame_bytes(head: bytes) -> int | None:
    magic, _, text = struct.unpack(">iii", head[:12])
    start = 12 + (text + 3) // 4 * 4
    if magic != _TRR_MAGIC or not 0 < text <= 12:
        return None
    integers = struct.unpack(f">{_TRR_INTEGERS}i", head[start : start + 4 * _TRR_INTEGERS])
    sizes, atoms = integers[:_TRR_SIZES], integers[_TRR_SIZES]
    if min(sizes) < 0 or atoms < 1:
        return None
    # A box is 9 numbers, an array of the atoms 3 each: of 4 or 8 bytes, as time and lambda.
    box, arrays = sizes[2], sizes[7:]
    number = box // 9 if box else max(arrays) // (3 * atoms)
    return start + 4 * _TRR_INTEGERS + 2 * number + sum(sizes)


def _check_dcd(path: Path) -> None:
    size = os.path.getsize(path)
    with open(path, "rb") as file:
        first = file.read(_DCD_HEAD)
        order = "<" if struct.unpack("<i", first[:4])[0] == 84 else ">"
        if first[4:8] != b"CORD":
            raise TrajectoryError(f"Trajectory: {path} is no DCD file; expected CORD; give another file.")
        said, fixed, cell = (struct.unpack(order + "i", first[8 + 4 * n : 12 + 4 * n])[0] for n in (0, 8, 10))
        (title,) = struct.unpack(order + "i", file.read(4))
        file.seek(title + 4, os.SEEK_CUR)
        _, atoms, _ = struct.unpack(order + "iii", file.read(12))
        start = file.tell()
    if fixed:  # frames of two sizes: left to the reader
        return
    one = (56 if cell else 0) + 3 * (4 * atoms + 8)
    whole, rest = divmod(size - start, one)
    if rest:
        raise _cut(path, whole, start + (whole + 1) * one, size)
    # Some programs write 0 while they run.
    if said not in (0, whole):
        raise TrajectoryError(
            f"Trajectory: {path} does not hold the frames that its head counts; expected {said}, found"
            f" {whole};"
            " make or copy it again."
        )


def _check_netcdf(path: Path) -> None:
    """NetCDF 3, which Amber writes: SciPy refuses a file with fewer bytes than its head says, where netCDF4,
    which mdtraj prefers to it, makes up what is not there. NetCDF 4 is HDF5, which refuses it.
    """
    with open(path, "rb") as file:
        if file.read(3) != b"CDF":
            return
    from scipy.io import netcdf_file

    try:
        netcdf_file(path, "r", mmap=True).close()
    except (ValueError, TypeError, IndexError) as error:
        raise TrajectoryError(
            f"Trajectory: {path} is cut; expected the variables that its head lists, found fewer bytes"
            f" ({error}); copy the file again."
        ) from None


_CHECKS = {".xtc": _check_xtc, ".trr": _check_trr, ".dcd": _check_dcd} | dict.fromkeys(
    (".nc", ".netcdf", ".ncdf"), _check_netcdf
)


def _cut(path: Path, frame: int, expected: int, found: int) -> TrajectoryError:
    return TrajectoryError(
        f"Trajectory: frame {frame} of {path} is cut; expected {expected} bytes or more, found {found}; copy"
        " the"
        " file again, or cut it before that frame."
    )
