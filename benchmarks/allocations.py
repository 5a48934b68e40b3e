"""What a step allocates, by the library that asked for the memory.

    python benchmarks/allocations.py [--platforms Reference OpenCL]

Every allocation of a process of its own is counted, with the help of allocation_counter.cpp (glibc and g++
are needed), while the shipped model makes 8 and then 4 steps; what the 8 have more than the 4 is that of four
steps. What is called only once, as on the first step or for the call itself, is in neither.
"""

import argparse
import ctypes
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

STEPS = 4
SOURCE = Path(__file__).with_name("allocation_counter.cpp")


def per_step(platform: str) -> dict[str, tuple[float, float]]:
    """Allocations and bytes of a step of a single context, by the file name of the library.

    Raises
    ------
    subprocess.CalledProcessError
        If the counter cannot be compiled or the platform does not step.
    """
    with tempfile.TemporaryDirectory() as folder:
        counter = Path(folder) / "liballocation_counter.so"
        compiler = os.environ.get("CXX", "g++")
        subprocess.run([compiler, "-O2", "-std=c++20", "-shared", "-fPIC", SOURCE, "-o", counter], check=True)
        environment = os.environ | {"LD_PRELOAD": str(counter), "PYTHONPATH": os.pathsep.join(sys.path)}
        answer = Path(folder) / "counts.json"
        subprocess.run([sys.executable, __file__, "--count", platform, answer], env=environment, check=True)
        return {library: tuple(values) for library, values in json.loads(answer.read_text()).items()}


def count(platform: str, answer: Path) -> None:
    """Step and write the counts of a step; in a process that has the counter."""
    import openmm_scoredyn as sd

    model = sd.pretrained("alanine-dipeptide-obc2")
    structure = model.with_name("alanine-dipeptide.pdb")
    simulation = sd.prepare(structure, model, platform=platform, seed=1)
    counter, lines = ctypes.CDLL(None), answer.with_suffix(".txt")

    def counted(steps: int) -> tuple[Counter, Counter]:
        counter.allocation_counter_start()
        simulation.step(steps)
        counter.allocation_counter_stop(str(lines).encode())
        counts, sizes = Counter(), Counter()
        for line in lines.read_text().splitlines():
            number, size, library, _offset, _function = line.split("\t")
            counts[Path(library).name] += int(number)
            sizes[Path(library).name] += int(size)
        return counts, sizes

    counted(STEPS)  # buffers grow on the first steps
    more, less = counted(2 * STEPS), counted(STEPS)
    found = {
        library: [(more[i][library] - less[i][library]) / STEPS for i in (0, 1)]
        for library in sorted(more[0])
    }
    answer.write_text(json.dumps({library: values for library, values in found.items() if any(values)}))


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--platforms", nargs="+", default=["Reference", "OpenCL"])
    arguments.add_argument("--count", nargs=2, help=argparse.SUPPRESS)
    options = arguments.parse_args()
    if options.count:
        count(options.count[0], Path(options.count[1]))
        return
    print(f"{'':12}{'library':32}{'allocations':>12}{'bytes':>10}  a step")
    for platform in options.platforms:
        found = per_step(platform)
        for library, (number, size) in sorted(found.items(), key=lambda item: -item[1][0]):
            print(f"{platform:12}{library:32}{number:12.1f}{size:10.0f}")
        if not any("OpenMMScoreDyn" in library for library in found):
            print(f"{platform:12}{'libOpenMMScoreDyn*.so':32}{0:12}{0:10}")


if __name__ == "__main__":
    main()
