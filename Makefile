# Everything a newcomer needs: make demo, make test. Options: PYTHON, VENV, ARGS, TORCH_INDEX, SCREENSHOTS, ARTIFACTS.
PYTHON ?= python3
VENV ?= .venv
ARGS ?=
# Another build of torch: make install TORCH_INDEX=<index address>. Empty: what pip finds.
TORCH_INDEX ?=
# Where the browser tests keep their pictures and the report of axe-core; CI names a folder of its own.
ARTIFACTS ?= var
SCREENSHOTS ?= $(ARTIFACTS)/screenshots
BIN := $(VENV)/bin
PIP := $(BIN)/pip --disable-pip-version-check

.PHONY: help install demo up test lint pictures format clean
help:
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else 0'
	$(PYTHON) -m venv $(VENV)

# torch first and pinned: another package that asks for it would bring several gigabytes of CUDA libraries.
$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) install -q $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) -c constraints.txt torch
	$(PIP) install -q -c constraints.txt -e '.[all]'
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(PIP) install -q -c constraints.txt -e '.[all,dev]'
	@touch $@

install: $(VENV)/.installed ## make .venv and install what running needs

demo: $(VENV)/.installed ## run the platform on a demo shop (ARGS=--once: check and exit; --port, --var)
	$(BIN)/python manage.py demo $(ARGS)

up: $(VENV)/.installed ## run the platform (ARGS: --port, --var)
	$(BIN)/python manage.py up $(ARGS)

test: $(VENV)/.installed-dev ## run every test on embedded services of its own
	@command -v chromium >/dev/null || { command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ] \
		&& (apt-get update -qq && apt-get install -y -qq chromium) >/dev/null 2>&1; } || true
	@mkdir -p "$(SCREENSHOTS)" && rm -f "$(SCREENSHOTS)"/*.png "$(SCREENSHOTS)"/axe.*
	SCREENSHOTS="$(abspath $(SCREENSHOTS))" $(BIN)/python -m pytest -n 2 $(ARGS)

lint: $(VENV)/.installed-dev ## ruff, mypy, import rules, migrations
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python manage.py makemigrations --check --dry-run
	DEBUG=0 $(BIN)/python manage.py check --deploy --fail-level WARNING

pictures: $(VENV)/.installed-dev ## take README's pictures anew from a running demo (ARGS: --address, --var, --to)
	$(BIN)/python -m tests.pictures $(ARGS)

format: $(VENV)/.installed-dev ## let ruff write
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## remove what tests and builds left
	rm -rf var/test .pytest_cache .mypy_cache .ruff_cache
