# These verbs do all the set-up, each on a machine with nothing but Python (3.11 or newer), git and make:
#   make demo   an environment, the package, a real `mteb run` on the embedded collection, a summary
#   make test   an environment, the package, its tests
#   make fuzz   an environment, the package, hostile input for its readers for half an hour; adds to its log
#   make torture  an environment, the package, kill -9 at random moments, full disks; a quarter of an hour; writes its log
#   make mutants  an environment, the package, small faults in its core, of which tests must notice nearly all; a few hours
#   make versions   fresh environments with the lowest and the newest of everything, and the table of docs/versions.md
# PIP_ARGS passes options on to pip, for instance the address of torch's CPU builds:
#   make demo PIP_ARGS="--extra-index-url https://download.pytorch.org/whl/cpu"

PYTHON ?= python3
VENV ?= .venv
PACKAGE ?= .
EXTRAS ?= dev
PIP_ARGS ?=
PYTEST_ARGS ?=
# a process for each CPU, each with one thread; files stay together, because their fixtures are what takes long
# and come in the order of tests/conftest.py: slow ones first, and not those with many tests
PARALLEL ?= -n logical --maxprocesses 8 --dist loadfile --no-loadscope-reorder

BIN = $(VENV)/bin
# torch alone and first: what comes after it must not pull another build
INSTALL = $(BIN)/python -m pip install --quiet --constraint constraints.txt $(PIP_ARGS)

# `make fuzz CASES=1000000 MINUTES=10 FUZZ_ARGS="--target lareqa --jobs 2"`: at most so much for each reader, whatever
# comes first. EXTRAS=dev,fuzz installs atheris, which finds inputs that lead to new code
CASES ?= 100000
MINUTES ?= 1
FUZZ_ARGS ?=

# `make torture TORTURE_ARGS="--subject train --kills 200 --seed 7"` for one kind of work
TORTURE_ARGS ?= --kills 50

# `make mutants MUTANTS_ARGS="--group metrics --module spread"` for some of them; without --sample all of them are tried
MUTANTS_ARGS ?= --log tests/mutation/LOG.md

# `make versions VERSIONS="lowest newest-3.13"` for some of them
VERSIONS ?=

.PHONY: demo test fuzz torture mutants versions lint format clean

demo: $(VENV)/.ready
	HF_DATASETS_DISABLE_PROGRESS_BARS=1 $(BIN)/mteb run --model mteb-hybrid/char-ngram --tasks MiniQARMonolingual MiniQARCrossLingual MiniQARMultilingual \
		--output-folder results/demo --prediction-folder results/demo/predictions --verbosity 1
	$(BIN)/mteb-hybrid report results/demo

test: $(VENV)/.ready
	OMP_NUM_THREADS=1 $(BIN)/pytest $(PARALLEL) $(PYTEST_ARGS)

fuzz: $(VENV)/.ready
	OMP_NUM_THREADS=1 $(BIN)/python tests/fuzz/fuzz.py --log tests/fuzz/LOG.md --cases $(CASES) --minutes $(MINUTES) $(FUZZ_ARGS)

torture: $(VENV)/.ready
	OMP_NUM_THREADS=1 $(BIN)/python tests/torture/torture.py --log tests/torture/LOG.md $(TORTURE_ARGS)

mutants: $(VENV)/.ready
	$(BIN)/python tests/mutation/mutate.py $(MUTANTS_ARGS)

versions: $(VENV)/.ready
	$(BIN)/python benchmarks/versions.py $(if $(VERSIONS),--only $(VERSIONS))

lint: $(VENV)/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(VENV)/.ready
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) build dist results fuzz-findings *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

SOURCES = $(shell find mteb_hybrid tasks trainers -name "*.py" -o -name "*.json")

$(VENV)/.ready: pyproject.toml setup.py constraints.txt mteb_hybrid.pth $(SOURCES)
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) --upgrade pip
	$(INSTALL) torch
	$(INSTALL) "$(PACKAGE)[$(EXTRAS)]"
	$(INSTALL) --force-reinstall --no-deps "$(PACKAGE)"
	touch $@
