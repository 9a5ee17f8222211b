# Ngã Tư. `make demo` runs it, `make test` tests it; both set up all that they need, without root and without Docker.
PYTHON ?= python3
BIN := .venv/bin
PREPARE := $(PYTHON) -m ngatu.prepare
LOCK := $(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header --quiet
SIDE_BY_SIDE := --numprocesses=logical --maxprocesses=4 --dist=loadfile
WISHES := $(if $(VIDEO),--video "$(VIDEO)") $(if $(MODEL),--model "$(MODEL)") $(if $(SCENE),--scene "$(SCENE)")

.PHONY: help demo smoke test test-ultralytics check bench lock wards clean python-found
.DEFAULT_GOAL := help

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: python-found ## the whole line on this machine: VIDEO=file|rtsp://…|device, MODEL=file|folder, SCENE=zones file
	@$(PREPARE) python servers $(if $(VIDEO),,clip)
	@exec $(BIN)/ngatu demo $(WISHES)

smoke: python-found ## the demo, headless: waits for every stage, prints a table, exits 0 or names the stage
	@$(PREPARE) python servers chromium $(if $(VIDEO),,clip)
	@exec $(BIN)/ngatu smoke $(WISHES)

test: python-found ## all tests on real servers, started here; T="tests/edge -k outbox" for some
	@$(PREPARE) python servers chromium
	@$(BIN)/pytest -m "not ultralytics" $(or $(T),$(SIDE_BY_SIDE))

test-ultralytics: python-found ## the tests of the ultralytics stack (6 GB, in an environment of its own)
	@$(PREPARE) python servers ultralytics
	@.venv-ultralytics/bin/pytest -m ultralytics $(T)

check: python-found ## ruff, mypy, import-linter
	@$(PREPARE) python
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: python-found ## measure, print a table with ratios, write bench.json
	@$(PREPARE) python servers
	@$(BIN)/ngatu bench all

lock: python-found ## resolve pyproject.toml anew into locks/ (no address of a registry stands in them)
	@$(PREPARE) python
	$(LOCK) --extra dev -o locks/dev.txt
	$(LOCK) --extra dev --extra ultralytics -c locks/dev.txt -o locks/ultralytics.txt
	UV=$(BIN)/uv deploy/lock.sh

wards: python-found ## write the ward lists of Hanoi anew from vietnamadminunits
	@$(PREPARE) python
	@$(BIN)/ngatu wards

clean: ## remove the environments, servers, their data, and caches
	rm -rf .venv .venv-ultralytics .ngatu .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

python-found:
	@command -v $(PYTHON) >/dev/null || { echo "ngatu: $(PYTHON) is missing: ask for the package python3 (3.11 or later)" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	|| { echo "ngatu: Python 3.11 or later is needed, and $(PYTHON) is older: name another with PYTHON=" >&2; exit 1; }
