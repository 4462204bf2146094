PROFILE ?= quick
JOBS ?= $(shell nproc 2>/dev/null || echo 1)
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := -m pip install --quiet --disable-pip-version-check
PIP := $(BIN)/python $(INSTALL) --constraint requirements.lock
STRIP := nbstripout --extra-keys 'metadata.papermill cell.metadata.papermill metadata.language_info.version'
LOCK := build/lock
# what torch brings along on some machines only; it pins them itself
GPU_LIBRARIES := '^(cuda|nvidia)-|^triton=='

.PHONY: figures test lab lint lock measure clean

figures: $(VENV)/ready  ## execute every notebook, render figures/$(PROFILE)/ and say what is stale in it
	$(BIN)/reprolib run --profile $(PROFILE) --jobs $(JOBS)
	$(BIN)/reprolib stale figures/$(PROFILE)

test: $(VENV)/ready-dev  ## unit tests and the smoke execution of every notebook
	$(BIN)/ruff check .
	$(BIN)/ruff format --check --quiet .
	$(BIN)/reprolib check
	$(BIN)/python -m pytest

lab: $(VENV)/ready-lab  ## open JupyterLab on the checkout; saved outputs do not reach git
	$(BIN)/reprolib lab

lint: $(VENV)/ready-dev  ## mend what can be mended: style, notebook outputs
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/$(STRIP) notebooks/*.ipynb notebooks/solutions/*.ipynb

lock:  ## raise the pins: newest versions in a fresh environment, tests, freeze
	rm -rf $(LOCK)
	$(PYTHON) -m venv $(LOCK)
	$(LOCK)/bin/python $(INSTALL) -e '.[llm,serve,cluster,dev,docs]'
	$(LOCK)/bin/python -m pip list --format freeze --exclude-editable --exclude pip --exclude setuptools \
	  | sed 's/+cpu$$//' | grep -Ev $(GPU_LIBRARIES) | LC_ALL=C sort -f > $(LOCK)/requirements.lock
	cp requirements.lock $(LOCK)/before.lock
	cp $(LOCK)/requirements.lock requirements.lock
	$(LOCK)/bin/python -m pytest || { cp $(LOCK)/before.lock requirements.lock; exit 1; }
	diff $(LOCK)/before.lock requirements.lock || true

measure: $(VENV)/ready  ## how dense the code is, beside what we aim at
	$(BIN)/python benchmarks/measure.py reprolib

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .ruff_cache

$(VENV)/ready: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; set PYTHON=python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) -e '.[llm,serve]'
	touch $@

$(VENV)/ready-dev: $(VENV)/ready
	$(PIP) -e '.[llm,serve,cluster,dev]'
	touch $@

# the one target that changes git's configuration, of this checkout alone
$(VENV)/ready-lab: $(VENV)/ready
	$(PIP) nbstripout
	git config filter.nbstripout.clean "$(BIN)/$(STRIP)"
	git config diff.ipynb.textconv "$(BIN)/reprolib text"
	touch $@
