# The front door. Every target sets up what it needs; on a fresh machine only Python >= 3.11 and make are asked for.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
WORKERS ?= auto

.DEFAULT_GOAL := help
.PHONY: help demo test coverage check format bench torture score lock browser-assets clean

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(READY): requirements-dev.txt pyproject.toml hatch_build.py $(wildcard frontend/*.json frontend/*.mjs frontend/src/*)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Siaga needs Python 3.11 or newer; this is " + sys.version.split()[0])'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: $(READY) ## the whole of Siaga with simulated cameras; a ticket opens by itself within a minute
	$(BIN)/siaga demo

test: $(READY) ## every test (pytest), on all cores
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile $(ARGS)

# Decisions without a clock, a network or a disk: every branch of them is tested.
CORES := diagnostics/*,firmware_updates/*,gateway/ingest/digest.py,gateway/tickets/*,gateway/rules/book.py,gateway/rules/budget.py,gateway/rules/check.py,gateway/rules/overview.py
# Those of the diagnostics count without what a random search may or may not reach.
CORE_TESTS := tests/firmware_updates tests/gateway/tickets tests/gateway/rules tests/gateway/ingest/test_digest.py

coverage: $(READY) ## every branch of the pure cores is tested, or this fails and names it
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -q -n $(WORKERS) --dist loadfile $(CORE_TESTS)
	$(BIN)/coverage run -m pytest -q -n $(WORKERS) --dist loadfile -m 'not hypothesis' tests/diagnostics
	$(BIN)/coverage combine -q
	$(BIN)/coverage report --include='$(CORES)' --fail-under=100

check: $(READY) ## format, lint, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY) ## put the code in its one format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(READY) ## messages a second and CPU a message, by stage
	$(BIN)/siaga bench

torture: $(READY) ## pull every plug, many times (bounded, under 10 minutes)
	$(BIN)/python -m pytest -m torture -n $(WORKERS) $(ARGS)
	$(BIN)/siaga torture

score: $(READY) ## the scoreboard: how early, how honest, on a fleet with known truth
	$(BIN)/siaga score

lock: ## compile the pins anew
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --all-extras --group dev pyproject.toml -o requirements-dev.txt
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --all-extras pyproject.toml -c requirements-dev.txt -o requirements.txt

clean: ## remove what was built here
	rm -rf $(VENV) gateway/web/static/dist frontend/node_modules
