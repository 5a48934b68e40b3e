# make install   environment in .venv, build, install          (both others start with it)
# make demo      ten nanoseconds of alanine dipeptide, and a page with plots in demo-output/
# make test      C++ and Python tests, README examples, style
# make test-slow the tests that take minutes
# make bench     the tables of benchmarks/README.md, measured here; make bench-long: those that take long
# make docs      the site of docs/, the API and the models, in build/site/, without a warning
# make wheel     the wheel of this Python and this torch, in dist/; tests/wheel.sh tries one out
# make wheels    those of all Pythons and releases of torch in tools/wheels.txt, each tried out: an hour, and 3 GB for each torch
# make cuda-sdk  what the CUDA platform is compiled against, where there is no CUDA toolkit; `make test` then uses it
# make gpu-wheels, make gpu   everything a machine with a GPU can show, and the packages to take there
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CUDA_SDK := build/cuda-sdk
JOBS ?= 2
# One thread a process: the networks are small, and the machine may be busy with molecular dynamics.
export OMP_NUM_THREADS ?= 1

CPP_DIRS := openmm_scoredyn platforms serialization python/bindings python/lanes tests/cpp benchmarks
CPP_FILES := $(shell find $(CPP_DIRS) -name '*.h' -o -name '*.cpp')
SOURCES := $(CPP_FILES) $(shell find python/openmm_scoredyn cmake -type f -not -name '*.pyc') \
    $(shell find openmm_scoredyn platforms serialization python/bindings python/lanes -name CMakeLists.txt -o -name '*.in' -o -name '*.cc') \
    CMakeLists.txt pyproject.toml VERSION README.md LICENSE

.PHONY: install demo test test-slow test-cpp test-python style bench bench-long docs wheel wheels cuda-sdk gpu-wheels gpu clean

install: $(VENV)/installed

$(VENV)/requirements-installed: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed: make PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --progress-bar off --requirement requirements.txt
	touch $@

# Without isolation: the plugin must be built against the torch and the openmm that will run it.
$(VENV)/installed: $(VENV)/requirements-installed $(SOURCES)
	CMAKE_BUILD_PARALLEL_LEVEL=$(JOBS) PATH="$(CURDIR)/$(BIN):$$PATH" \
	    $(BIN)/python -m pip install --quiet --no-build-isolation --no-deps --force-reinstall .
	touch $@

demo: install
	$(BIN)/scoredyn demo --out demo-output

test: style test-cpp test-python

# The build tree of the installation, with the tests added to it. CMake says which platforms it leaves out and why;
# a test whose platform does not come up on this machine is skipped with a sentence.
test-cpp: install
	PATH="$(CURDIR)/$(BIN):$$PATH" cmake -S . -B build -DSCOREDYN_BUILD_TESTS=ON \
	    $(if $(wildcard $(CUDA_SDK)/installed),-DSCOREDYN_CUDA_SDK=$(CURDIR)/$(CUDA_SDK))
	PATH="$(CURDIR)/$(BIN):$$PATH" cmake --build build --parallel $(JOBS)
	PATH="$(CURDIR)/$(BIN):$$PATH" ctest --test-dir build --output-on-failure

# README examples are among them (tests/python/test_readme.py).
test-python: install
	$(BIN)/python -m pytest -m "not slow"

test-slow: install
	$(BIN)/python -m pytest -m slow

bench: install
	$(BIN)/python benchmarks/speed.py
	$(BIN)/python benchmarks/batches.py
	$(BIN)/python benchmarks/recipe.py
	$(BIN)/python benchmarks/atoms.py
	$(BIN)/python benchmarks/allocations.py

bench-long: install
	$(BIN)/python benchmarks/networks.py
	$(BIN)/python benchmarks/atoms.py --platforms Reference OpenCL

# Strict: a dead link, an anchor that is not there, a page left out of the navigation or a tutorial that fails ends
# it; not with --quiet, which would not count warnings.
docs: install $(VENV)/docs-installed
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	$(BIN)/python -m pytest --quiet tests/site

wheel: install $(VENV)/wheel-installed
	AUDITWHEEL=$(BIN)/auditwheel tools/wheel.sh $(BIN)/python dist

# Not by .venv, which has one Python and one torch.
wheels: $(VENV)/wheel-installed cuda-sdk
	PATH="$(CURDIR)/$(BIN):$$PATH" tools/wheels.sh dist

$(VENV)/%-installed: requirements-%.txt $(VENV)/requirements-installed
	$(BIN)/python -m pip install --quiet --progress-bar off --requirement $<
	touch $@

# Beside the environment: a plugin whose driver is missing has no place in it.
cuda-sdk: $(CUDA_SDK)/installed

$(CUDA_SDK)/installed: requirements-cuda.txt $(VENV)/requirements-installed
	$(BIN)/python -m pip install --quiet --progress-bar off --no-deps --upgrade --target $(CUDA_SDK) \
	    --requirement requirements-cuda.txt
	touch $@

# For a machine without a network, with the torch and the Python named in docs/reference/platforms.md.
gpu-wheels: $(VENV)/requirements-installed
	$(BIN)/python -m pip download --quiet --progress-bar off --no-deps --only-binary=:all: --dest wheels \
	    --python-version 3.12 --implementation cp --platform manylinux_2_34_x86_64 \
	    --platform manylinux_2_28_x86_64 --platform manylinux_2_27_x86_64 --platform manylinux_2_17_x86_64 \
	    --platform manylinux2014_x86_64 --platform manylinux2010_x86_64 $(shell grep -E '^(openmm|swig)==' requirements.txt) -r requirements-cuda.txt

gpu:
	tests/gpu.sh

style: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy --python-executable $(BIN)/python
	$(BIN)/clang-format --dry-run --Werror $(CPP_FILES)

clean:
	rm -rf build dist $(VENV) demo-output
