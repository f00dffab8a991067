# The two commands of the README, and what developers run. Everything goes into $(VENV).
PYTHON ?= python3
VENV ?= .venv
OUT ?= runs/demo
PIP_OPTIONS ?=
JOBS ?= 2
MINUTES ?= 10
SEED ?= 0
N ?= 5000
BIN := $(VENV)/bin
PLUGINS := $(wildcard plugins/*/pyproject.toml)
SOURCES := pyproject.toml constraints.txt $(PLUGINS)
EDITABLE := $(foreach p,$(PLUGINS),-e $(patsubst %/,%,$(dir $(p))))
DEMO := -e plugins/bids -e plugins/pixels -e plugins/demo
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_OPTIONS) -c constraints.txt

.PHONY: demo test test-slow test-gpu soak fuzz lint types docs benchmark clean

demo: $(VENV)/.core  ## decode the bundled example and write a report
	$(BIN)/neurodiffuse decode --dataset bids --root bids_example --sub 01 --out $(OUT)

test: $(VENV)/.test  ## the whole test suite but what is slow or needs a GPU, JOBS at once
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) --dist worksteal -m "not slow and not gpu" $(PYTEST_OPTIONS)

test-slow: $(VENV)/.test
	$(BIN)/python -m pytest -m slow $(PYTEST_OPTIONS)

test-gpu: $(VENV)/.test
	$(BIN)/python -m pytest -m gpu $(PYTEST_OPTIONS)

soak: $(VENV)/.test  ## MINUTES of kills of every command that writes, each given again and compared
	OMP_NUM_THREADS=1 $(BIN)/python -m soak kills --minutes $(MINUTES) --seed $(SEED)

fuzz: $(VENV)/.test  ## N mutated recipes, arguments, tables, images, weights
	OMP_NUM_THREADS=1 $(BIN)/python -m soak fuzz -n $(N) --seed $(SEED)

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(VENV)/.dev
	$(BIN)/mypy neurodiffuse $(patsubst %/pyproject.toml,%,$(PLUGINS))

docs: $(VENV)/.docs
	$(BIN)/python -m sphinx -W --keep-going -b html docs docs/_build/html

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; set PYTHON=…")'
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.core: $(VENV)/.made $(SOURCES)
	$(PIP) -e . $(DEMO)
	@touch $@

$(VENV)/.test: $(VENV)/.core
	$(PIP) -e ".[test]" $(EDITABLE)
	@touch $@

$(VENV)/.dev: $(VENV)/.test
	$(PIP) -e ".[dev]"
	@touch $@

$(VENV)/.docs: $(VENV)/.core
	$(PIP) -e ".[docs]" $(EDITABLE)
	@touch $@

clean:
	rm -rf $(VENV) docs/_build docs/gallery runs
