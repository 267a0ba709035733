# Needs make and Python 3.11 or newer; everything else comes into .venv by itself.

PYTHON ?= python3
BIN := .venv/bin
FAST := not services and not browser and not e2e
PYTEST_OPTIONS ?=

.DEFAULT_GOAL := help
.PHONY: help serve demo test test-all test-services test-e2e lint fix bench requirements messages clean

help:  ## Show what make can do here
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-14s %s\n", $$1, $$2 }'

serve: .environment  ## Start the service: web, worker and clock; Ctrl-C stops it
	@exec $(BIN)/python -m dus_project.serve

demo: .environment  ## Play the whole story by itself, on a scratch state directory
	@exec $(BIN)/python -m dus_project.demo

test: .environment-dev  ## Run the tests that need no other server and no browser
	$(BIN)/pytest -n auto -m "$(FAST)" $(PYTEST_OPTIONS)

test-services: .environment-dev  ## Run them on what DUS_DATABASE_URL and DUS_BROKER_URL name, with those that need it
	$(BIN)/pytest -n auto -m "$(FAST)" $(PYTEST_OPTIONS)
	$(BIN)/pytest -m services $(PYTEST_OPTIONS)

test-e2e: .environment-dev  ## Run the tests with real servers, workers and Chromium
	$(BIN)/pytest -m "e2e or browser" $(PYTEST_OPTIONS)

test-all: test test-services test-e2e  ## Run every test

lint: .environment-dev  ## Check style, types, floors, templates, migrations and translations
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy .
	$(BIN)/lint-imports
	$(BIN)/djlint templates --lint
	DJANGO_SETTINGS_MODULE=dus_project.settings.test $(BIN)/python manage.py makemigrations --check --dry-run
	$(BIN)/pytest -q tests/architecture

fix: .environment-dev  ## Format, and mend what the linters can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: .environment-dev  ## Measure the cabinet reader, checks and downloads
	$(BIN)/python -m bench.cabinet
	$(BIN)/python -m bench.check
	$(BIN)/python -m bench.download

messages: .environment-dev  ## Collect the texts to translate, and compile the translations (needs gettext)
	$(BIN)/python manage.py makemessages --locale ja --no-location --ignore '.venv/*' --ignore 'state/*'
	$(BIN)/python manage.py compilemessages --ignore '.venv/*'

requirements: .environment-dev  ## Compile the requirements with hashes
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-header requirements.in -o requirements.txt
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-header requirements-dev.in -o requirements-dev.txt

clean:  ## Remove the environment and caches; state/ stays
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

# The environment is made anew when Python changed, and installed into when the requirements did: the stamp in
# it holds the hash of both.
.PHONY: .environment .environment-dev
.environment: REQUIREMENTS = requirements.txt
.environment: STAMP = .venv/.stamp
.environment-dev: REQUIREMENTS = requirements.txt requirements-dev.txt
.environment-dev: STAMP = .venv/.stamp-dev
.environment .environment-dev:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	    echo "Python 3.11 or newer is needed, and $(PYTHON) is $$($(PYTHON) --version 2>&1 || true)." >&2; \
	    echo "Install one and name it: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@set -eu; umask 022; \
	key=$$($(PYTHON) -c 'import hashlib, sys; print(sys.version_info[:2], sys.base_prefix, *(hashlib.sha256(open(name, "rb").read()).hexdigest() for name in sys.argv[1:]))' $(REQUIREMENTS)); \
	if [ "$$(cat $(STAMP) 2>/dev/null)" = "$$key" ] && [ -x $(BIN)/python ]; then exit 0; fi; \
	python=$$($(PYTHON) -c 'import sys; print(sys.version_info[:2])'); \
	if [ "$$($(BIN)/python -c 'import sys; print(sys.version_info[:2])' 2>/dev/null)" != "$$python" ]; then \
	    echo "Making the environment in .venv ..."; \
	    $(PYTHON) -m venv --clear .venv || { \
	        echo "$(PYTHON) cannot make an environment. On Debian and Ubuntu, install python3-venv." >&2; exit 1; }; \
	fi; \
	echo "Installing $(REQUIREMENTS) into .venv ..."; \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes $(addprefix -r ,$(REQUIREMENTS)); \
	printf '%s\n' "$$key" > $(STAMP)
