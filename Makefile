# Two commands do all the set-up: `make run` and `make test`. PYTHON may name another interpreter (3.11 or newer).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run test test-oldest lint chromium bench gallery dist docs clean

run: $(VENV)/.installed
	$(BIN)/bilevel solve ieee33 --objective loss=1,profit=1 --out results/ieee33

test: $(VENV)/.installed-dev lint chromium
	$(BIN)/python -m pytest -n 2 --dist worksteal

# The same tests with the oldest releases of every dependency that pyproject.toml allows; TESTS names some of them
OLDEST := .venv-oldest
OLDEST_PYTHON ?= $(shell command -v python3.11 || echo $(PYTHON))
TESTS ?=

test-oldest: $(OLDEST)/.installed
	$(OLDEST)/bin/python -m pytest -n 2 --dist worksteal $(TESTS)

$(OLDEST)/.installed: pyproject.toml scripts/oldest_releases.py
	$(OLDEST_PYTHON) -m venv $(OLDEST)
	$(OLDEST)/bin/python -m pip install --quiet --disable-pip-version-check packaging
	$(OLDEST)/bin/python scripts/oldest_releases.py > $(OLDEST)/oldest.txt
	$(OLDEST)/bin/python -m pip install --quiet --disable-pip-version-check --constraint $(OLDEST)/oldest.txt --editable '.[dev]'
	touch $@

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The tests of the report look at it in a browser; where there is none and none can be installed, they are skipped
chromium:
	@command -v chromium || command -v google-chrome || { [ "$$(id -u)" = 0 ] && grep -q '^ID=debian' /etc/os-release \
	    && apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core \
	    >/dev/null; } || echo "no Chromium: the tests of the report in a browser will be skipped"

bench: $(VENV)/.installed-dev
	$(BIN)/python scripts/benchmark.py --quick
	$(BIN)/python scripts/report_benchmark.py results/benchmarks/quick.csv --out results/benchmarks/quick
	$(BIN)/python -m pytest tests/benchmarks --benchmark-enable

gallery: $(VENV)/.installed
	$(BIN)/python scripts/make_gallery.py

# Builds the wheel and the sdist, and tries the wheel in an empty environment from another folder
dist: $(VENV)/.installed-dev
	rm -rf dist
	$(BIN)/python -m build --outdir dist .
	empty=$$(mktemp -d) && $(PYTHON) -m venv $$empty/venv && wheel=$$(pwd)/$$(ls dist/*.whl) && cd $$empty \
	    && venv/bin/python -m pip install --quiet --disable-pip-version-check $$wheel && venv/bin/bilevel --version \
	    && venv/bin/bilevel cases && venv/bin/bilevel solve ieee33 --evs 5 --out results && rm -rf $$empty

# The variable silences a notice about the future of MkDocs
docs: $(VENV)/.installed-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

$(VENV)/.installed-dev: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@ $(VENV)/.installed

$(VENV)/.installed-docs: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[docs]'
	touch $@ $(VENV)/.installed

clean:
	rm -rf $(VENV) $(OLDEST) results site dist
