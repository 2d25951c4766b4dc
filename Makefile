PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
EXTRAS ?= dev,boosters,kaggle,pretrained
export PATH := $(CURDIR)/$(BIN):$(PATH)
export MLFLOW_DISABLE_TELEMETRY := true

.PHONY: repro test check clean

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[$(EXTRAS)]"
	touch $@

repro: $(VENV)/installed  ## Run every stage that needs it, then print the table of models.
	$(BIN)/python -m pipeline check
	$(BIN)/dvc repro
	$(BIN)/python -m pipeline leaderboard

test: $(VENV)/installed  ## Run the tests.
	$(BIN)/python -m pytest --numprocesses auto --dist loadgroup --no-loadscope-reorder

check: $(VENV)/installed  ## Style, types, and the direction of imports.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

clean:  ## Take away the environment and the tools' caches; data, studies and unsent records stay.
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache build *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
