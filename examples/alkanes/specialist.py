#!/usr/bin/env python3
"""A model of one alkane alone beside the model of many, which never saw it, on MD that neither did.

    python specialist.py OUT [--molecules butane octane] [--updates 5000] [--page PAGE]

The specialist is trained as `scoredyn train` does it, on the first set of MD of the molecule, some as much as
each molecule of the model of many had; both are then compared with the second set, by steps of 1 ps. Runs are
kept in OUT and found again; the table is OUT/specialists.md, and with --page between its marks of that page.
"""

import os
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

from report import DATA, arguments, compare, markdown, write_between

COMMAND = Path(sys.executable).with_name("scoredyn")


def specialist(name: str, given) -> Path:
    """The program of a model that was trained on the first set of MD of a molecule."""
    run, program = given.out / name, given.out / f"{name}.pt"
    if not program.exists():
        data = sorted((DATA / name).glob("set_1_*.npz"))
        options = f"--split time --updates {given.updates} --batch-size 512 --no-check"
        train = [COMMAND, "train", *data, "--out", run, "--name", f"{name}-specialist", *options.split()]
        subprocess.run(train, check=True)
        subprocess.run([COMMAND, "export", run, program], check=True)
    return program


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--updates", type=int, default=5000)
    parser.set_defaults(molecules=["butane", "octane"], sets=[2])
    given = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    given.out.mkdir(parents=True, exist_ok=True)
    found = {}
    for name in given.molecules:
        for kind, model in (("of many", given.model), ("specialist", specialist(name, given))):
            found[f"{name}, {kind}"] = compare(name, Namespace(**vars(given) | {"model": model}), 1.0)
    table = markdown(found, 1.0)
    (given.out / "specialists.md").write_text(table)
    if given.page:
        write_between(given.page, "specialist.py", table)


if __name__ == "__main__":
    main()
