"""The recipes of `examples/`: folders of plain modules that import each other by name."""

import importlib
import sys
from contextlib import contextmanager
from pathlib import Path

EXAMPLES = Path(__file__).parents[3] / "examples"


@contextmanager
def recipe(folder):
    """A function that imports modules of a folder of `examples/`; what it imported is forgotten at the end,
    as other folders have modules of the same names.
    """
    path = EXAMPLES / folder
    names = {file.stem for file in path.glob("*.py")}
    hidden = {name: sys.modules.pop(name) for name in names if name in sys.modules}
    sys.path.insert(0, str(path))
    try:
        yield importlib.import_module
    finally:
        sys.path.remove(str(path))
        for name in names:
            sys.modules.pop(name, None)
        sys.modules.update(hidden)
