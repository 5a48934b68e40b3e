"""Runs that are killed wherever they report progress, and taken up again."""


class Killed(Exception):
    """Stands for a kill right after something was written."""


def killed_from(step: int):
    """A report of progress that kills the run as soon as `step` steps are done."""

    def kill(done, total):
        if done >= step:
            raise Killed

    return kill


def run_through_kills(run) -> tuple:
    """The result of `run(progress=...)` after a kill at every new report of progress, and how many kills it
    took.
    """
    seen, kills = -1.0, 0

    def kill(done, total):
        nonlocal seen
        if done > seen:
            seen = done
            raise Killed

    while True:
        try:
            return run(progress=kill), kills
        except Killed:
            kills += 1


def files_of(folder) -> dict[str, bytes]:
    """Content of every file of a folder and of the folders in it, by path."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
