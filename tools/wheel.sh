#!/usr/bin/env bash
# Builds the wheel of one Python and one release of torch:
#
#     tools/wheel.sh PYTHON [FOLDER]
#
# PYTHON is the interpreter of an environment that holds that torch, openmm and what requirements.txt names under
# "build". The wheel asks for exactly these releases, and its version names torch: 0.9.0+torch2.13. It holds none of
# the libraries of torch and openmm; auditwheel (of requirements-wheel.txt, in PATH or $AUDITWHEEL) says which glibc
# it needs. Where `make cuda-sdk` was run, the CUDA platform is in it; CUDA graphs are where torch was built for CUDA.
set -euo pipefail
cd "$(dirname "$0")/.."
PYTHON=$(command -v "$1")
OUT=${2:-dist}
AUDITWHEEL=$(command -v "${AUDITWHEEL:-auditwheel}")
sdk=$PWD/build/cuda-sdk
export SCOREDYN_LABEL_TORCH=1 PATH=$(dirname "$PYTHON"):$PATH
label=$("$PYTHON" -c 'import sys, torch; print(f"py{sys.version_info.major}.{sys.version_info.minor}-torch{torch.__version__}")')
work=$PWD/build/wheels/$label

options=(--config-settings "build-dir=$work/build")
if [[ -e $sdk/installed ]]; then options+=(--config-settings "cmake.define.SCOREDYN_CUDA_SDK=$sdk"); fi
rm -rf "$work/raw"
"$PYTHON" -m pip wheel --quiet --no-deps --no-build-isolation "${options[@]}" --wheel-dir "$work/raw" .
"$AUDITWHEEL" repair --exclude 'libtorch*' --exclude 'libc10*' --exclude 'libOpenMM*' --exclude 'libcuda.so*' \
    --exclude 'libOpenCL.so*' --wheel-dir "$OUT" "$work"/raw/*.whl
