PROFILE ?= quick
JOBS ?= $(shell nproc 2>/dev/null || echo 1)
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint requirements.lock
STRIP := nbstripout --extra-keys 'metadata.papermill cell.metadata.papermill metadata.language_info.version'

.PHONY: figures test lab lint lock clean

figures: $(VENV)/ready  ## execute every notebook and render figures/$(PROFILE)/
	$(BIN)/reprolib run --profile $(PROFILE) --jobs $(JOBS)

test: $(VENV)/ready-dev  ## unit tests and the smoke execution of every notebook
	$(BIN)/ruff check .
	$(BIN)/ruff format --check --quiet .
	$(BIN)/reprolib check
	$(BIN)/python -m pytest

lab: $(VENV)/ready  ## open JupyterLab on the notebooks
	$(BIN)/jupyter lab --notebook-dir notebooks

lint: $(VENV)/ready-dev  ## mend what can be mended: style, notebook outputs
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/$(STRIP) notebooks/*.ipynb notebooks/solutions/*.ipynb

lock: $(VENV)/ready-dev  ## write the lock file from what is installed
	$(BIN)/python -m pip list --format freeze --exclude-editable --exclude pip --exclude setuptools | sed 's/+cpu$$//' | LC_ALL=C sort -f > requirements.lock

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .ruff_cache

$(VENV)/ready: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; set PYTHON=python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) -e '.[llm,serve]'
	touch $@

$(VENV)/ready-dev: $(VENV)/ready
	$(PIP) -e '.[llm,serve,cluster,dev]'
	-git config diff.ipynb.textconv "$(BIN)/reprolib text"
	-git config filter.nbstripout.clean "$(BIN)/$(STRIP)"
	touch $@
