#!/usr/bin/env bash
# Installs a wheel in an environment of its own and runs the README's swap there, without a compiler, and MD of copies
# side by side, which needs a processor with AVX2:
#
#     tests/wheel.sh WHEEL [PYTHON [OTHER_TORCH]]
#
# PYTHON (the one in the wheel's name) makes the environment; INSTALLER takes everything else from where it is configured
# to: uv, where it is there, or pip; a torch built for CUDA unless a build for processors is found first. Prints the
# seconds on the clock and of the processor to install, to the first 10 ps and to the end of the README's first script,
# and fails if a compiler was in reach. With OTHER_TORCH (2.12.1) the wheel must then be refused beside that torch: by
# the installer, and in a sentence where that torch is installed all the same. Fails at the end if it took a minute from
# the command that installs to the first 10 ps, which a busy machine alone can be the cause of.
set -euo pipefail
wheel=$(realpath "$1")
root=$(realpath "$(dirname "$0")/..")
tag=$(basename "$wheel" | sed -E 's/.*-cp3([0-9]+)-.*/3.\1/')
python=$(command -v "${2:-python$tag}")
installer=${INSTALLER:-$(command -v uv > /dev/null && echo uv || echo pip)}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# A processor loads one of the two libraries of MD side by side, so the other is looked for in the wheel.
held=$("$python" -m zipfile --list "$wheel")
for library in _lanes_avx2 _lanes_avx512; do
    if ! grep -q "openmm_scoredyn/$library.so " <<< "$held"; then
        echo "the wheel lacks $library.so" >&2
        exit 1
    fi
done

"$python" -m venv "$work/venv"
install() {
    if [[ $installer == uv ]]; then
        uv pip install --quiet --python "$work/venv/bin/python" "$@"
    else
        "$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check "$@"
    fi
}
begin=$SECONDS
TIMEFORMAT="installed by $installer in %1R s, processor %1U + %1S s"
time install "$wheel"
installed=$((SECONDS - begin))

cat > "$work/first_steps.py" <<'PYTHON'
"""The first 10 ps, then the README's first script."""

import re
import shutil
import sys
import time
from importlib.metadata import version

began = time.monotonic()
assert not any(map(shutil.which, ("g++", "gcc", "c++", "cc", "clang"))), "a compiler is in reach"

import openmm_scoredyn as sd

model = sd.pretrained("alanine-dipeptide-obc2")
sd.prepare(model.with_name("alanine-dipeptide.pdb"), model).step(10)
first = time.monotonic() - began
print(f"first 10 ps: {first:.1f} s, processor {time.process_time():.1f} s, beside torch {version('torch')}")
whole = first + float(sys.argv[2])
print(f"from the command that installs to the first 10 ps: {whole:.0f} s")
open("seconds.txt", "w").write(f"{whole:.0f}")

script = re.search(r"^```python\n(.*?)^```$", open(sys.argv[1]).read(), re.MULTILINE | re.DOTALL)[1]
exec(compile(script, sys.argv[1], "exec"))
print(f"README's swap: {time.monotonic() - began:.1f} s")
shutil.copy(model.with_name("alanine-dipeptide.pdb"), ".")
PYTHON
cd "$work"
# Without the OpenCL drivers of this machine, too: PoCL, one for processors, compiles and links.
clean=(env -i HOME="$work" PATH="$work/venv/bin" OCL_ICD_VENDORS="$work" OMP_NUM_THREADS=1)
"${clean[@]}" python first_steps.py "$root/README.md" "$installed"
"${clean[@]}" scoredyn info alanine-dipeptide-obc2 --verify | tail -2
"${clean[@]}" scoredyn simulate alanine-dipeptide.pdb --out md --copies 8 --trajectories 1 --length 10ps --equilibration 1ps
grep -q 'side by side' md/trajectory_0000.frames/index.jsonl

if [[ -n ${3-} ]]; then
    if install "$wheel" "torch==$3" 2> refused.txt; then
        echo "the installer took the wheel beside torch $3" >&2
        exit 1
    fi
    install "torch==$3"
    status=0
    COLUMNS=1000 "${clean[@]}" scoredyn info alanine-dipeptide-obc2 --verify > refused.txt 2>&1 || status=$?
    cat refused.txt
    # An exit status of 1, and not that of a signal; the sentence, and nothing else.
    [[ $status == 1 && $(wc -l < refused.txt) == 1 ]]
    grep -q "built for another torch; expected .*, found $3" refused.txt
    echo "refused beside torch $3"
fi

if (($(<"$work/seconds.txt") >= 60)); then
    echo "the first 10 ps took a minute" >&2
    exit 1
fi
