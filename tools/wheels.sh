#!/usr/bin/env bash
# Builds the wheels of tools/wheels.txt, one for each Python and each minor release of torch, and tries each one out:
#
#     tools/wheels.sh [FOLDER [PYTHON-TORCH...]]      e.g. tools/wheels.sh dist 3.12-2.13.0 3.13-2.13.0
#
# uv (of requirements-wheel.txt, in PATH) finds or fetches each Python, and what is built against; tools/wheel.sh builds,
# tests/wheel.sh installs and runs, and has each wheel refused beside the other torch; one that fails there does not
# keep the others from being built.
set -euo pipefail
cd "$(dirname "$0")/.."
OUT=${1:-dist}
wanted=("${@:2}")
((${#wanted[@]})) || mapfile -t wanted < <(sed -n 's/^\([0-9.]*\) \([0-9.]*\)$/\1-\2/p' tools/wheels.txt)

# All under one path, whatever the Python: a compiler cache then compiles the core once for each torch.
packages=$PWD/build/wheels/packages
failed=()
for variant in "${wanted[@]}"; do
    torch=${variant#*-}
    python=$(uv python find --system "${variant%-*}")
    echo "== Python ${variant%-*}, torch $torch"
    rm -rf "$packages"
    # shellcheck disable=SC2046
    uv pip install --quiet --python "$python" --target "$packages" pip "torch==$torch" \
        $(grep -E '^(openmm|numpy|cmake|ninja|pybind11|scikit-build-core|swig)==' requirements.txt)
    begin=$(date +%s)
    PYTHONPATH=$packages PATH=$packages/bin:$PATH tools/wheel.sh "$python" "$OUT"
    echo "built in $(($(date +%s) - begin)) s"
    rm -rf "$packages"
    other=$(sed -n 's/^[0-9.]* \([0-9.]*\)$/\1/p' tools/wheels.txt | grep -vFxm1 "$torch")
    tests/wheel.sh "$OUT/openmm_scoredyn-$(<VERSION)+torch${torch%.*}-cp$(tr -d . <<< "${variant%-*}")"-*.whl "$python" "$other" ||
        failed+=("$variant")
done
if ((${#failed[@]})); then
    echo "built, but failed when tried out: ${failed[*]}" >&2
    exit 1
fi
