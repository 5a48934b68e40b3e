#!/usr/bin/env bash
# Installs a wheel in an environment of its own and runs the README's swap there, without a compiler:
#
#     tests/wheel.sh WHEEL [PYTHON]
#
# PYTHON (python3) makes the environment; uv, where it is there, or pip takes everything else from where it is configured
# to, with a torch built for CUDA unless a build for processors is found first. Prints how long it took from the installed wheel to the first
# 10 ps and to the end of the README's first script, and fails if the former took a minute or a compiler was in reach.
set -euo pipefail
wheel=$(realpath "$1")
root=$(realpath "$(dirname "$0")/..")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"${2:-python3}" -m venv "$work/venv"
begin=$(date +%s)
if command -v uv > /dev/null; then
    uv pip install --quiet --python "$work/venv/bin/python" "$wheel"
else
    "$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check "$wheel"
fi
echo "installed in $(($(date +%s) - begin)) s"

cat > "$work/first_steps.py" <<'PYTHON'
"""The first 10 ps, then the README's first script."""

import re
import shutil
import sys
import time

began = time.monotonic()
assert not any(map(shutil.which, ("g++", "gcc", "c++", "cc", "clang"))), "a compiler is in reach"

import openmm_scoredyn as sd

model = sd.pretrained("alanine-dipeptide-obc2")
sd.prepare(model.with_name("alanine-dipeptide.pdb"), model).step(10)
first = time.monotonic() - began
print(f"first 10 ps: {first:.1f} s")
assert first < 60, "the first 10 ps took a minute"

script = re.search(r"^```python\n(.*?)^```$", open(sys.argv[1]).read(), re.MULTILINE | re.DOTALL)[1]
exec(compile(script, sys.argv[1], "exec"))
print(f"README's swap: {time.monotonic() - began:.1f} s")
PYTHON
cd "$work"
# Without the OpenCL drivers of this machine, too: PoCL, one for processors, compiles and links.
clean=(env -i HOME="$work" PATH="$work/venv/bin" OCL_ICD_VENDORS="$work" OMP_NUM_THREADS=1)
"${clean[@]}" python first_steps.py "$root/README.md"
"${clean[@]}" scoredyn info alanine-dipeptide-obc2 --verify | tail -2
