# make search   set up .venv and search a cell on scikit-learn's digits, into runs/digits
# make test     set up .venv and run the tests (make test-slow: the long ones)
# make check    formatting, lint and types
# make docs     the documentation's site, into site (make docs-serve: while you write)
# make networks   count and draw the published networks, for their page
# make notebooks  run the notebooks and keep their outputs, which the site shows
# make release-check  what would be published, built into dist and tried

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin

.PHONY: search test test-slow check docs docs-serve networks notebooks release-check clean

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

docs: .venv-docs/ready
	.venv-docs/bin/mkdocs build

docs-serve: .venv-docs/ready
	.venv-docs/bin/mkdocs serve

networks: .venv/test-ready
	$(BIN)/python docs/site/networks.py

notebooks: .venv/test-ready
	$(BIN)/python docs/site/run_notebooks.py docs/notebooks/*.ipynb

release-check:
	PYTHON=$(PYTHON) .ci/release-check

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

# An environment of its own: the site needs no framework, and no test needs the site.
.venv-docs/ready: pyproject.toml
	$(PYTHON) -m venv .venv-docs
	.venv-docs/bin/python -m pip install --quiet --upgrade pip
	.venv-docs/bin/python -m pip install --quiet -e ".[docs]"
	touch $@

clean:
	rm -rf .venv .venv-docs site build dist
