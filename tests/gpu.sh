#!/usr/bin/env bash
# Everything that a machine with a CUDA GPU can show, in one command, without a network and within seven minutes:
#
#     tests/gpu.sh [FOLDER OF WHEELS]
#
# builds against the torch that $PYTHON imports, and then, what tells most first: facts of the machine, a probe of memory
# shared between contexts, one C++ test, the benchmark tables, the other C++ tests in three precisions, parity with
# Reference included, the Python tests on CUDA. Each part has a time limit, is written to $OUT (build/gpu/results) as it
# comes, and does not keep the next from running; LIMIT_S (410) bounds the whole. `make gpu-wheels` collects the wheels that
# such a machine may lack (for Python 3.12; torch with CUDA, numpy, pybind11, cmake, ninja, pytest, typer and rich must be
# there). Fails when a part fails, is skipped for want of the platform or does not end in time.
set -euo pipefail
cd "$(dirname "$0")/.."
export WHEELS=${1:-wheels}
PYTHON=$(command -v "${PYTHON:-python3}")
export PYTHON WORK=$PWD/build/gpu
export SITE=$WORK/site OUT=${OUT:-$WORK/results}
LIMIT_S=${LIMIT_S:-410}
mkdir -p "$OUT"
: > "$OUT/stages.txt"
export PYTHONPATH=$SITE PATH=$SITE/bin:$(dirname "$PYTHON"):$PATH OMP_NUM_THREADS=1 PYTHONUNBUFFERED=1
source tests/stages.sh

facts() {
    nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader || true
    "$PYTHON" -c 'import torch; print("torch", torch.__version__, torch.version.cuda, torch.cuda.get_device_name(0))'
    "$PYTHON" -c 'import pathlib, sysconfig; print("Python.h:", (pathlib.Path(sysconfig.get_path("include")) / "Python.h").exists())'
    g++ --version | head -1
    nproc
    df -h . | tail -1
}

build() {
    "$PYTHON" -m pip install --quiet --no-index --no-deps --no-compile --upgrade --target "$SITE" "$WHEELS"/*.whl
    cmake -S . -B "$WORK/build" -G Ninja -DPython_EXECUTABLE="$PYTHON" -DSCOREDYN_BUILD_TESTS=ON -DSCOREDYN_CUDA_SDK="$SITE"
    cmake --build "$WORK/build"
    rm -rf "$SITE/openmm_scoredyn"
    cp -r python/openmm_scoredyn "$SITE"
    rm -f "$SITE"/openmm_scoredyn/*.so "$SITE/openmm_scoredyn/_build.py"  # links of a development build
    cmake --install "$WORK/build" --prefix "$SITE"
}

# A test that is skipped for want of the platform has shown nothing.
cpp_tests() {
    ctest --test-dir "$WORK/build" --output-on-failure --timeout 90 -j 3 -R 'Torch|Recorded|Sampler|Reference|CUDA' |
        tee "$OUT/ctest.log"
    ! grep -q Skipped "$OUT/ctest.log"
}

python_tests() {
    local limit=()
    if "$PYTHON" -c 'import pytest_timeout' 2>/dev/null; then limit=(--timeout=60); fi
    "$PYTHON" -m pytest -v --durations=15 "${limit[@]}" tests/python/dynamics tests/python/program/test_device.py -k CUDA
}

stage facts 40 facts
stage build 190 build
grep -q "^== build: passed" "$OUT/stages.txt"  # nothing to test otherwise
# OpenMM's CUDA library looks for cuFFT and NVRTC beside itself; they are beside torch.
nvidia=$("$PYTHON" -c 'import pathlib, torch; print(pathlib.Path(torch.__file__).parents[1] / "nvidia/cu13/lib")' || true)
export LD_LIBRARY_PATH=$nvidia:$SITE/OpenMM.libs/lib:${LD_LIBRARY_PATH:-}
stage probe 20 "$PYTHON" tests/gpu_probe.py
stage first_test 45 "$WORK/build/tests/TestCUDAScoreDynamicsIntegrator" mixed
# Single contexts: microseconds a network evaluation, and the ratio to MD on the same GPU. Then the best batch.
stage speed 70 "$PYTHON" benchmarks/speed.py --rounds 3 --json "$OUT/speed.json"
stage batches 45 "$PYTHON" benchmarks/batches.py --device cuda --rounds 2 --threads 1 8 --json "$OUT/batches.json"
stage cpp_tests 150 cpp_tests
stage python_tests 150 python_tests
cat "$OUT/stages.txt"
stages_passed
