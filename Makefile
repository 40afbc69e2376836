# Needs make and Python 3.11 or newer; everything else goes into .venv.
#   make report    train a network on real data, print its bounds        (ARGS="--dataset mnist ..." is passed on)
#   make examples  make again what is committed in results/examples/, and the README's picture
#   make docs      build the documentation into build/site/, without the network
#   make test      lint, type check and tests                            (ARGS="-k name" goes to pytest)
#   make test-all  the same, then the slow tests: what CI runs

SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help report examples docs test test-all check format clean .venv

BIN := .venv/bin
STAMP := .venv/installed
REPORT_STAMP := .venv/installed-report
JOBS ?= 2
ARGS ?=
# The first interpreter on the path that is new enough; PYTHON=/path/to/python overrides it.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo $$p && break; done)
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
PYTEST := $(BIN)/python -m pytest -q -n $(JOBS) --dist loadfile

help:
	@echo "make report   train a network in front of you and print its bounds; ARGS='--dataset mnist --data-dir DIR'"
	@echo "make examples make results/examples/ again, and the picture of the README"
	@echo "make docs     build the documentation into build/site/"
	@echo "make test     lint, format and type check, then the tests; ARGS='-k name'"
	@echo "make test-all make test, then the slow tests: processes, browsers, wheels"
	@echo "make check    the first half of make test"
	@echo "make format   rewrite the sources as ruff wants them"
	@echo "make .venv    install into .venv (the others do it when needed)"
	@echo "make clean    remove caches and build products; .venv and results stay"

.venv: $(STAMP)

# The stamp is written last: an interrupted installation starts again, a finished one is never repeated.
# What a target needs is installed, and no more: [report] for reports, [dev] for everything else.
$(STAMP): EXTRA := dev
$(REPORT_STAMP): EXTRA := report
$(STAMP) $(REPORT_STAMP): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "no Python 3.11 or newer found: install one, or say PYTHON=/path/to/python" >&2; exit 2; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv .venv || \
		{ echo "$(PYTHON) cannot make a virtual environment: on Debian and Ubuntu install python3-venv" >&2; exit 2; }
	@echo "installing into .venv (once, a few minutes)"
	@$(PIP) install -q -c constraints.txt setuptools
	@$(PIP) install -q -c constraints.txt --no-build-isolation -e '.[$(EXTRA)]'
	@touch $@ $(REPORT_STAMP)

report: $(REPORT_STAMP)
	@$(BIN)/sparsebounds report $(ARGS)

examples: $(REPORT_STAMP)
	@$(BIN)/sparsebounds report --out results/examples/report
	@$(BIN)/python -m sparsebounds.experiments.report.picture results/certificates/rows.csv docs/bound.svg

docs: $(STAMP)
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build -q
	@echo "open build/site/index.html"

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: check
	$(PYTEST) -m "not slow" $(ARGS)

test-all: test
	$(PYTEST) -m slow $(ARGS)

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find sparsebounds bounds nets experiments tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
