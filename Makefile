# Debian 12, root, Python 3.11 and make are all that must be there: `make demo`, `make test`.
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
unexport PYTHONDONTWRITEBYTECODE  # hundreds of processes of ours start in the demo and the tests
STAMP := .venv/.installed

.PHONY: help demo test lint format fuzz bench install lock clean

help:  ## this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 18

install: $(STAMP)  ## make .venv with everything pinned

$(STAMP): pyproject.toml requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo 'netcheck needs Python 3.11 or newer: make PYTHON=python3.11 ...'; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { echo 'Installing python3-venv'; apt-get update -qq && apt-get install -y -qq --no-install-recommends python3-venv; }
	@echo 'Making .venv (a minute or two the first time)'
	@$(PYTHON) -m venv .venv
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: root install  ## the lab, the bot, a worker and a real thread; ONCE=1 ends after printing it
	@$(BIN)/python -m deploy.demo $(if $(ONCE),--once)

.PHONY: root
root:
	@[ "$$(uname -s)" = Linux ] && [ "$$(id -u)" = 0 ] || { echo 'make demo needs root on Linux (Debian 12): its cluster is made of namespaces.'; exit 1; }

TOGETHER := e2e live kernel faults slack cases unit  # two at once, the slow ones first; tests/alone look at the whole machine

test: lint  ## everything; as root on Debian 12 nothing is skipped
ifdef PYTEST
	@$(BIN)/python -m pytest $(PYTEST)
else
	@$(BIN)/python -m pytest --numprocesses=2 --dist=loadfile --no-loadscope-reorder --durations=25 $(TOGETHER:%=tests/%)
	@$(BIN)/python -m pytest --durations=10 $(TOGETHER:%=--ignore=tests/%)
endif

lint: install  ## format, lint, types, import contracts
	@$(BIN)/ruff format --check --quiet . || { echo 'Run: make format'; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@said=$$($(BIN)/lint-imports 2>&1) || { echo "$$said"; exit 1; }

format: install  ## rewrite the sources as ruff formats them
	@$(BIN)/ruff check --quiet --fix . ; $(BIN)/ruff format --quiet .

fuzz: install  ## the property tests alone and for longer: EXAMPLES=1000 of each
	@EXAMPLES=$(or $(EXAMPLES),1000) $(BIN)/python -m pytest -q -m hypothesis -n auto --hypothesis-profile=fuzz $(or $(PYTEST),tests/unit)

bench: install  ## measure, as ratios against the tools that people would use instead
	@$(BIN)/python -m benchmarks

lock: install  ## resolve the dependencies anew and pin them with their hashes
	@$(BIN)/pip install --quiet uv && $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --all-extras --output-file requirements.txt pyproject.toml build-requirements.in

clean:  ## remove what the other targets made here
	@rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
