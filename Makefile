PYTHON ?= python3
VENV ?= .venv
LOCK ?= requirements.lock
BIN = $(VENV)/bin

.PHONY: help install test coverage lint fix serve bench lock
help:
	@echo 'make install                   put the skill where the agents on this machine look for it'
	@echo 'make test                      set up $(VENV) and run every test'
	@echo 'make coverage                  the same, and count the statements and branches that ran'
	@echo 'make lint                      check code, types, snippets, links and figures'
	@echo 'make fix                       format, and copy the snippets into the pages'
	@echo 'make serve                     run the whole service and say how to try it'
	@echo 'make serve EXAMPLE=websockets  run one example of it'
	@echo 'make bench                     compare the patterns with bare Quart and with the mistakes'
	@echo 'make lock                      renew the lock files'

install:
	@$(PYTHON) scripts/install_skill.py $(ARGS)

$(VENV)/ready: $(LOCK)
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit(f"Python 3.11 or newer is needed, this is {sys.version.split()[0]}: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(LOCK)
	@touch $@

test: $(VENV)/ready
	$(BIN)/python -m pytest -n 4 --dist worksteal $(ARGS)

# CPython 3.11 may hang for ever where greenlets of two threads end while it traces.
coverage: $(VENV)/ready
	@$(BIN)/python -c 'import sys; sys.version_info >= (3, 12) or sys.exit(f"To count needs Python 3.12 or newer, this is {sys.version.split()[0]}: make coverage VENV=.venv-3.13 PYTHON=python3.13")'
	@$(MAKE) --no-print-directory test ARGS='--cov --cov-report=term $(ARGS)'

lint: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python scripts/lint_skill.py

fix: $(VENV)/ready
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/python scripts/lint_skill.py --fix

serve: $(VENV)/ready
	@$(BIN)/python scripts/serve.py $(EXAMPLE)

bench: $(VENV)/ready
	$(BIN)/python -m benchmarks $(ARGS)

COMPILE = .venv-lock/bin/uv pip compile --quiet --universal --python-version 3.11 --group dev \
	--generate-hashes --no-annotate --no-header --no-emit-index-url --no-emit-find-links --no-strip-extras --upgrade
lock:
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/python -m pip install --quiet uv
	$(COMPILE) pyproject.toml -o requirements.lock
	$(COMPILE) --resolution lowest-direct pyproject.toml -o requirements-lowest.lock
