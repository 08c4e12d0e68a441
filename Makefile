# Each target is one command that a person can run; CI runs the same ones.
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= python3
BROWSER := tests/interop/browser

.PHONY: demo test interop lint bench docs clean servers browser

$(VENV)/installed: pyproject.toml
	@echo "== making a virtual environment in $(VENV) (once; a minute or so)"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -e .
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed
	@echo "== installing what the tests need"
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

demo: $(VENV)/installed  ## place a real call between two peers on this machine
	$(BIN)/jingle demo

servers:  ## the real servers and the browser that the tests talk to, through apt-get, when they are not there yet
	@sh tests/install_servers.sh

browser: servers $(BROWSER)/node_modules/.package-lock.json  ## and the client in the browser, through npm

$(BROWSER)/node_modules/.package-lock.json: $(BROWSER)/package-lock.json | servers
	@echo "== installing the client that the tests run in a browser"
	@cd $(BROWSER) && npm ci --silent || echo "== could not install it" >&2

lint: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy jingle tests samples/*/*.py docs/*.py

test: $(VENV)/installed-dev browser lint  ## everything; what cannot be installed is named at the end
	$(BIN)/python -m pytest -n 2 --dist worksteal

interop: $(VENV)/installed-dev browser  ## only the part of it with clients and stacks that others wrote
	$(BIN)/python -m pytest -n 2 --dist worksteal tests/interop

bench: $(VENV)/installed-dev
	@for file in benchmarks/bench_*.py; do echo "== $$file"; $(BIN)/python $$file || exit 1; done

docs: $(VENV)/installed-dev  ## the reference of the public API, as HTML
	$(BIN)/python docs/reference.py build/docs

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis htmlcov .coverage jingle-demo
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
