#!/usr/bin/env bash
# Everything that a machine with a CUDA GPU can show, in one command and without a network:
#
#     tests/gpu.sh [FOLDER OF WHEELS]
#
# builds against the torch that $PYTHON imports, runs the C++ tests on CUDA in three precisions, parity with Reference
# included, the Python tests on CUDA, and the benchmark tables. `make gpu-wheels` collects the wheels that such a machine
# may lack (for Python 3.12; torch with CUDA, numpy, pybind11, cmake, ninja, pytest, typer and rich must be there).
# Results go to $OUT, build/gpu/results unless set. Fails when a test fails or is skipped for want of the platform.
set -euo pipefail
cd "$(dirname "$0")/.."
WHEELS=${1:-wheels}
PYTHON=$(command -v "${PYTHON:-python3}")
WORK=$PWD/build/gpu
SITE=$WORK/site
OUT=${OUT:-$WORK/results}
mkdir -p "$OUT"

"$PYTHON" -m pip install --quiet --no-index --no-deps --no-compile --upgrade --target "$SITE" "$WHEELS"/*.whl
export PYTHONPATH=$SITE PATH=$SITE/bin:$(dirname "$PYTHON"):$PATH OMP_NUM_THREADS=1
# OpenMM's CUDA library looks for cuFFT and NVRTC beside itself; they are beside torch.
nvidia=$("$PYTHON" -c 'import pathlib, torch; print(pathlib.Path(torch.__file__).parents[1] / "nvidia/cu13/lib")')
export LD_LIBRARY_PATH=$nvidia:$SITE/OpenMM.libs/lib:${LD_LIBRARY_PATH:-}

cmake -S . -B "$WORK/build" -G Ninja -DPython_EXECUTABLE="$PYTHON" -DSCOREDYN_BUILD_TESTS=ON -DSCOREDYN_CUDA_SDK="$SITE"
cmake --build "$WORK/build"
rm -rf "$SITE/openmm_scoredyn"
cp -r python/openmm_scoredyn "$SITE"
rm -f "$SITE"/openmm_scoredyn/*.so "$SITE/openmm_scoredyn/_build.py"  # links of a development build
cmake --install "$WORK/build" --prefix "$SITE"

{
    "$PYTHON" -c 'import torch; print("torch", torch.__version__, torch.cuda.get_device_name(0))'
    nvidia-smi --query-gpu=name,driver_version --format=csv,noheader
} | tee "$OUT/machine.txt"
status=0
ctest --test-dir "$WORK/build" -R 'Torch|Recorded|Sampler|Reference|CUDA' --output-on-failure | tee "$OUT/ctest.txt" || status=1
"$PYTHON" -m pytest tests/python/dynamics tests/python/program/test_device.py -k CUDA |
    tee "$OUT/pytest.txt" || status=1
# Single contexts: microseconds a network evaluation, and the ratio to MD on the same GPU. Then the best batch.
"$PYTHON" benchmarks/speed.py --json "$OUT/speed.json" | tee "$OUT/speed.txt" || status=1
"$PYTHON" benchmarks/batches.py --device cuda --threads 1 4 | tee "$OUT/batches.txt" || status=1
if grep -q Skipped "$OUT/ctest.txt"; then
    echo "The CUDA tests were skipped: OpenMM's CUDA platform does not come up here." >&2
    status=1
fi
exit $status
