# Meterhouse. `make` lists what there is to do; everything is installed into .venv, nothing elsewhere.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory
unexport PYTHONPATH PYTHONHOME VIRTUAL_ENV

VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check --no-input install --quiet
LOCKED := $(PIP) --require-hashes
PYTEST_ARGS ?=
# Half as many again as there are cores: many tests wait for a server, a broker or a clock.
WORKERS ?= $(shell cores=$$(nproc 2>/dev/null || getconf _NPROCESSORS_ONLN); \
  echo $$(($${cores:-2} + ($${cores:-2} + 1) / 2)))
BENCH_ARGS ?=

# ---------------------------------------------------------------- for everybody

.PHONY: help
help: ## list the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(VENV)/.runtime ## make .venv with Meterhouse and what it runs on
	@echo "ready: $(VENV)/bin/meterhouse --help"

.PHONY: demo
demo: $(VENV)/.runtime ## see usage become golden records and invoices, in under a minute
	@$(PY) examples/demo.py

.PHONY: demo-aura
demo-aura: $(VENV)/.runtime ## the same for assistants: component logs become datasets and Liceo invoices
	@$(PY) examples/demo_aura.py

.PHONY: test
test: check $(VENV)/.azurite ## check the house, then run the tests in random order, on all cores and a bit more
	$(PY) -m pytest --numprocesses=$(or $(WORKERS),auto) --dist=worksteal $(PYTEST_ARGS)

# ---------------------------------------------------------------- for developers

.PHONY: check
check: $(VENV)/.dev ## format, lint, types, import rules, house laws
	$(VENV)/bin/ruff format --check --quiet . || { echo "formatting differs: run 'make format'"; exit 1; }
	$(VENV)/bin/ruff check --quiet .
	$(VENV)/bin/pyrefly check --python-interpreter-path $(PY) --summary=none
	$(VENV)/bin/lint-imports --no-logo
	$(PY) -m tools.house

.PHONY: format
format: $(VENV)/.dev ## format the code and mend what the linter can mend
	$(VENV)/bin/ruff check --fix --quiet . || true
	$(VENV)/bin/ruff format .

.PHONY: coverage
coverage: $(VENV)/.dev ## branch coverage: 90 % overall, 100 % in core and engine
	$(PY) -m pytest --cov --cov-report=term --cov-report=json:.coverage.json $(PYTEST_ARGS)
	$(PY) -m tools.check_coverage .coverage.json

.PHONY: nightly
nightly: $(VENV)/.dev ## the long suites
	METERHOUSE_HYPOTHESIS=exploring $(PY) -m pytest -m nightly $(PYTEST_ARGS)

.PHONY: bench
bench: $(VENV)/.bench ## the benchmark, beside hand-written queries for the same job
	$(PY) -m bench $(BENCH_ARGS)

.PHONY: lock
lock: $(VENV)/.dev ## write requirements/*.txt anew from pyproject.toml
	$(PY) tools/lock.py

.PHONY: clean
clean: ## remove .venv, caches and build results
	rm -rf $(VENV) build dist .pytest_cache .ruff_cache .import_linter_cache .hypothesis .coverage*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# ---------------------------------------------------------------- the environment, one stamp per step

$(PY):
	@found=; \
	for python in $(PYTHON) python3.11 python3 python3.12 python3.13; do \
	  "$$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	    && { found=$$python; break; } || true; \
	done; \
	if [ -z "$$found" ]; then \
	  echo "Meterhouse needs Python 3.11 or newer with its venv module, and found none." >&2; \
	  echo "On Debian or Ubuntu: apt-get install python3 python3-venv" >&2; \
	  echo "If it is not on the PATH: make PYTHON=/path/to/python3.11 ..." >&2; \
	  exit 1; \
	fi; \
	echo "making $(VENV) with $$("$$found" --version)"; \
	"$$found" -m venv --clear $(VENV)

# The venv also gets the locked build backend, so that nothing unlocked is fetched to install the project.
$(VENV)/.runtime: requirements/runtime.txt requirements/build.txt pyproject.toml | $(PY)
	@echo "installing what Meterhouse runs on (hash-checked)"
	@$(LOCKED) -r requirements/runtime.txt -r requirements/build.txt
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.runtime
	@echo "installing the developers' tools (hash-checked)"
	@$(LOCKED) -r requirements/dev.txt
	@touch $@

# A blob server for the tests. Where there is no npm, or it fails, the tests that need it are skipped.
$(VENV)/.azurite: requirements/azurite/package-lock.json | $(VENV)/.dev
	@if command -v npm >/dev/null; then \
	  echo "installing a blob server for the tests (integrity-checked)"; \
	  rm -rf $(VENV)/azurite && mkdir -p $(VENV)/azurite \
	  && cp requirements/azurite/package.json requirements/azurite/package-lock.json requirements/azurite/.npmrc \
	    $(VENV)/azurite/ \
	  && npm ci --prefix $(VENV)/azurite --omit=dev --ignore-scripts --loglevel=error \
	  || { echo "npm failed: tests against the blob server are skipped" >&2; rm -rf $(VENV)/azurite; }; \
	else echo "no npm: tests against the blob server are skipped" >&2; fi
	@touch $@

$(VENV)/.bench: requirements/bench.txt $(VENV)/.runtime
	@echo "installing the benchmark's opponents (hash-checked)"
	@$(LOCKED) -r requirements/bench.txt
	@touch $@
