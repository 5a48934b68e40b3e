"""What recipes of long MD share: when they stop, and which of several processes works in a folder."""

import fcntl
import time
from pathlib import Path
from typing import TextIO


def past(time_of_day: str) -> bool:
    """Whether it is later than HH:MM, UTC; never, for an empty text."""
    return bool(time_of_day) and time.strftime("%H:%M", time.gmtime()) >= time_of_day


def claim(folder: Path) -> TextIO | None:
    """A file of the folder, locked until it is closed or the process ends; None if another process has it."""
    folder.mkdir(parents=True, exist_ok=True)
    file = (folder / "lock").open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file
