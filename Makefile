# `make help` lists the targets. Every target runs its own set-up.
STACK ?= dev
export SANDBOX_TARGET = $(TARGET)
python = .venv/bin/python
# A file's tests share engine runs, so each file stays on one worker. The files keep their order: by
# default those with few tests come last, and these are the slow ones.
pytest_workers = --numprocesses auto --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help setup up demo test conformance lint format docs bench

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 13

setup: ## install the Python packages; find or build the Pulumi engine
	@bin/setup > /dev/null

up: ## deploy STACK (default: dev) in the sandbox; TARGET overrides the stack's target
	@bin/sandbox up --yes --stack $(STACK)

demo: setup ## deploy the fleet, run it locally, ask its agent, and stop; TARGET as above
	@bin/sandbox up --yes --skip-preview --stack $(STACK)
	@$(python) -m sandbox.demo

test: setup ## run every test
	@bin/setup checkov
	@$(python) -m pytest $(pytest_workers) --durations 20

lint: setup ## check style, types and import rules
	@$(python) -m ruff check .
	@$(python) -m ruff format --check .
	@$(python) -m pyright
	@.venv/bin/lint-imports

format: setup ## format the code
	@$(python) -m ruff check --fix .
	@$(python) -m ruff format .

docs: setup ## regenerate the generated documents
	@$(python) -m docs.generate

conformance: setup ## run the MCP conformance suite and Inspector, locally and through each gateway
	@bin/setup conformance
	@$(python) -m tests.conformance.run
	@$(python) -m tests.conformance.deployed

bench: setup ## measure previews, first deployments, and a server under load
	@bin/setup conformance
	@$(python) -m tests.load
	@PATH="$$(bin/setup):$(CURDIR)/.venv/bin:$$PATH" $(python) -m tests.bench
	@PATH="$$(bin/setup):$(CURDIR)/.venv/bin:$$PATH" $(python) -m tests.first_up
