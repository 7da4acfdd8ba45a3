# make search   set up .venv and search a cell on scikit-learn's digits, into runs/digits
# make test     set up .venv and run the tests (make test-slow: the long ones)
# make check    formatting, lint and types

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin

.PHONY: search test test-slow check clean

search: .venv/search-ready
	$(BIN)/cellwright search --data digits --host optuna --strategy auto \
		--trials 12 --epochs 5 --batch-size 64 --filters 8 --seed 0 --out runs/digits

test: .venv/test-ready
	$(BIN)/python -m pytest -m "not slow" -n auto --dist loadfile --no-loadscope-reorder

test-slow: .venv/test-ready
	$(BIN)/python -m pytest -m slow

check: .venv/test-ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

.venv/created:
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	touch $@

.venv/search-ready: .venv/created pyproject.toml
	$(BIN)/python -m pip install --quiet -e ".[optuna,tensorflow]"
	touch $@

.venv/test-ready: .venv/created pyproject.toml
	$(BIN)/python -m pip install --quiet -e ".[dev]"
	touch $@

clean:
	rm -rf .venv
