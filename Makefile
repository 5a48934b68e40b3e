# make install   environment in .venv, build, install          (both others start with it)
# make demo      ten nanoseconds of alanine dipeptide, and a page with plots in demo-output/
# make test      C++ and Python tests, README examples, style
# make test-slow the tests that take minutes
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
JOBS ?= 2
# One thread a process: the networks are small, and the machine may be busy with molecular dynamics.
export OMP_NUM_THREADS ?= 1

CPP_DIRS := openmm_scoredyn platforms serialization python/bindings tests/cpp
CPP_FILES := $(shell find $(CPP_DIRS) -name '*.h' -o -name '*.cpp')
SOURCES := $(CPP_FILES) $(shell find python/openmm_scoredyn cmake -type f -not -name '*.pyc') \
    $(shell find openmm_scoredyn platforms serialization python/bindings -name CMakeLists.txt -o -name '*.in') \
    CMakeLists.txt pyproject.toml VERSION README.md LICENSE

.PHONY: install demo test test-slow test-cpp test-python style clean

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

# The build tree of the installation, with the tests added to it.
test-cpp: install
	PATH="$(CURDIR)/$(BIN):$$PATH" cmake -S . -B build -DSCOREDYN_BUILD_TESTS=ON
	PATH="$(CURDIR)/$(BIN):$$PATH" cmake --build build --parallel $(JOBS)
	PATH="$(CURDIR)/$(BIN):$$PATH" ctest --test-dir build --output-on-failure

# README examples are among them (tests/python/test_readme.py).
test-python: install
	$(BIN)/python -m pytest -m "not slow"

test-slow: install
	$(BIN)/python -m pytest -m slow

style: install
	$(BIN)/ruff check .
	$(BIN)/clang-format --dry-run --Werror $(CPP_FILES)

clean:
	rm -rf build $(VENV) demo-output
