# make demo   the main job on a small data set, from nothing (makes .venv first)
# make test   all tests
# make faults kills processes, searches and nodes of a Ray cluster under a search (some ten minutes)
# make fuzz   20,000 damaged files for each reader (an hour or more)
# make docs   the documentation as a site, into site/; links and anchors are checked
# make check  formatter, linter, types, import rules, lengths, audit of what is installed
PYTHON ?= python3
BIN := .venv/bin

.PHONY: setup demo test faults fuzz docs check format clean

setup: .venv/ready

.venv/ready: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "edgenas needs Python 3.11 or newer; set PYTHON=")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

demo: setup
	$(BIN)/edgenas search --data digits --ram-kib 32 --flash-kib 32 --trials 20 --winners 8 --seeds 1

test: setup
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --durations 30

faults: setup
	$(BIN)/python benchmarks/faults.py

fuzz: setup
	$(BIN)/python benchmarks/fuzz_documents.py

docs: setup
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python .ci/lengths.py
	$(BIN)/python .ci/audit.py

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf .venv build dist site *.egg-info
