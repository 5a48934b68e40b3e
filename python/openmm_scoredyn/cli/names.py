"""Short names of files, no two the same."""

import os
from collections import Counter
from pathlib import Path


def distinct_names(paths: list[Path]) -> list[str]:
    """File names without ending; where several would be the same, with the ending and as many folders as tell
    them apart.

    A path that is given again has its count behind it.
    """
    paths = [Path(os.path.abspath(path)) for path in paths]
    names = {path: path.name if path.is_dir() else path.stem for path in paths}
    for depth in range(1, max(len(path.parts) for path in paths) + 1):
        counts = Counter(names.values())
        names = {
            path: name if counts[name] == 1 else "/".join(path.parts[-depth:]) for path, name in names.items()
        }
    before = [paths[:index].count(path) for index, path in enumerate(paths)]
    return [
        f"{names[path]} ({count + 1})" if count else names[path]
        for path, count in zip(paths, before, strict=True)
    ]
