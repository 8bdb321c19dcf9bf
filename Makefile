PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help serve test check images bench screenshots clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

serve: $(VENV)/.serve ## Install what is missing and serve; settings such as PORT come from the environment
	@exec $(BIN)/flask --app wsgi up

# A file's tests stay together, since they share servers; files stay in order, so that each process starts one browser.
test: $(VENV)/.test $(VENV)/mlflow/.made ## Install what is missing and run every test, in one process per core, at most four
	@echo 'Running every test. On two cores this takes 15 to 40 minutes, by their speed.'
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest --numprocesses logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

check: $(VENV)/.test ## Style and types: ruff and mypy
	PATH="$(CURDIR)/$(BIN):$$PATH" scripts/check

images: $(VENV)/.test ## Build both images without Docker and try them; needs root, buildah, debootstrap and pgbouncer
	$(BIN)/python -m pytest tests/images

bench: $(VENV)/.test ## Measure a small and a large registry into docs/benchmark.md; BENCH="--scale 0.1" for less
	$(BIN)/python scripts/bench.py --sizes --rounds 5 --seconds 2 --write docs/benchmark.md $(BENCH)

screenshots: $(VENV)/.test ## Take pictures of every page into docs/images; needs Chromium
	$(BIN)/python scripts/screenshots.py

clean: ## Remove the virtual environment and what builds left; the data in instance/ stays
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

# Install the extras $(extras) and print a dot each second, since a quiet pip says nothing for about a minute.
define install
	@printf 'Installing into $(VENV). The first time takes about a minute '
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[$(extras)]' & pip=$$!; \
	  while kill -0 $$pip 2>/dev/null; do printf .; sleep 1; done; echo; wait $$pip
endef

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Catapult needs Python 3.11 or newer: make PYTHON=python3.11")'
	@echo 'Creating $(VENV) …'
	@$(PYTHON) -m venv $(VENV)

# MLflow's own server, as the source of an import, in an environment of its own: it needs an older gunicorn than we do.
# --no-deps leaves out what its models alone need, 500 MB of it.
$(VENV)/mlflow/.made:
	@echo "Installing MLflow's server into $(VENV)/mlflow, for the tests …"
	@$(PYTHON) -m venv $(VENV)/mlflow
	@$(VENV)/mlflow/bin/python -m pip install --quiet --disable-pip-version-check \
	  mlflow-skinny==3.17.2 sqlalchemy 'flask<4' flask-cors alembic graphene pandas aiohttp
	@$(VENV)/mlflow/bin/python -m pip install --quiet --disable-pip-version-check --no-deps \
	  mlflow==3.17.2 mlflow-tracing==3.17.2
	@touch $@

$(VENV)/.serve: extras = server,embedded
$(VENV)/.serve: setup.cfg pyproject.toml | $(BIN)/python
	$(install)
	@touch $@

$(VENV)/.test: extras = server,embedded,dev
$(VENV)/.test: setup.cfg pyproject.toml | $(BIN)/python
	$(install)
	@touch $@ $(VENV)/.serve
