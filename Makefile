# `make test` is the gate: on a machine with Python 3.11, make and git it needs nothing else.
# The targets are steps of one road, so they never run side by side and the tests' summary is last.
.NOTPARALLEL:
.DEFAULT_GOAL := help
.PHONY: help setup test lint format types unit coverage soak demo bench clean

PYTHON := .venv/bin/python
READY := .venv/.ready
SRC ?=
SOAK ?= 60
# Extra arguments for pytest, as in: make unit PYTEST="-k replay"
PYTEST ?=
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Otherwise it asks npm at each run whether it is the newest.
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1

help:  ## print what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: $(READY)  ## make .venv with everything that the other targets need

# A change of pyproject.toml installs anew; new modules in listed packages are seen without that.
$(READY): pyproject.toml .ci/python
	@set -e; python=$$(.ci/python); \
	echo "perdure: making .venv with $$($$python --version) (once, about a minute)"; \
	$$python -m venv .venv; \
	echo "perdure: installing perdure and its tools from PyPI"; \
	$(PYTHON) -m pip install --quiet --editable '.[dev]'; \
	touch $@; \
	echo "perdure: .venv is ready"

test: lint types unit  ## the gate: lint, types on both checkers, all tests

lint: $(READY)  ## ruff: rules and format
	@echo "perdure: lint"
	@$(PYTHON) -m ruff check --quiet .
	@$(PYTHON) -m ruff format --quiet --check .

format: $(READY)  ## let ruff repair what it can
	@$(PYTHON) -m ruff check --quiet --fix .
	@$(PYTHON) -m ruff format --quiet .

types: $(READY)  ## mypy strict and pyright strict, over tests, examples and benchmarks too
	@echo "perdure: types, mypy"
	@$(PYTHON) -m mypy
	@echo "perdure: types, pyright"
	@$(PYTHON) -m pyright --pythonpath $(PYTHON)

# The gate says the same thing twice: hypothesis takes its fixed examples. A bare `pytest` explores.
unit: $(READY)  ## all tests, on asyncio and trio
	@echo "perdure: tests"
	@HYPOTHESIS_PROFILE=ci $(PYTHON) -m pytest -n 2 $(PYTEST)

coverage: $(READY)  ## all tests in one process, with the lines and branches they miss
	@HYPOTHESIS_PROFILE=ci $(PYTHON) -m coverage run -m pytest $(PYTEST)
	@$(PYTHON) -m coverage report

# By way of the environment, so that no character of the folder's name means anything to the shell.
demo: export DEMO_SOURCE := $(value SRC)
demo: $(READY)  ## the backup example; SRC=folder backs up that folder
	@$(PYTHON) examples/backup/demo.py --source "$$DEMO_SOURCE"

soak: $(READY)  ## an hour of simulated faults, then of real ones; SOAK=minutes
	@echo "perdure: simulated faults, a quarter of the time"
	@cd tests/simulation && ../../$(PYTHON) soak.py $$(awk 'BEGIN { print $(SOAK) * 15 }')
	@echo "perdure: real processes, killed, stopped and starved"
	@$(PYTHON) tests/crash/soak.py $$(awk 'BEGIN { print $(SOAK) * 0.75 }')

bench: $(READY)  ## the benchmarks, on all backends and beside installed peers; about fifteen minutes
	@$(PYTHON) -m benchmarks --results benchmarks/RESULTS.md

clean:  ## remove what the other targets made
	@rm -rf .venv build dist *.egg-info .coverage .cache .hypothesis .*_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
