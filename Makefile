# Daybook. `make help` says what there is. Only Python 3.11 or later and make must be there already.

PYTHON ?= python3
PORT ?= 4566
DATA ?= data
STAGE ?= dev
MAIL_SENDER ?=
ALARM_MAIL ?=
JOBS ?= 2

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
AWS_VENV := .venv-aws
AWS_READY := $(AWS_VENV)/.ready
MAIL := $(if $(MAIL_SENDER),--mail-sender '$(MAIL_SENDER)') $(if $(ALARM_MAIL),--alarm-mail '$(ALARM_MAIL)')
PIP_INSTALL := install --quiet --disable-pip-version-check
SOURCES := operations tests $(wildcard app.py chalicelib benchmarks examples)

export LOCAL_AWS_PYTHON ?= $(CURDIR)/$(AWS_VENV)/bin/python

.DEFAULT_GOAL := help
.PHONY: help setup run local-aws local-aws-stop local deploy-local test lint format types tests package deploy deploy-with-chalice reindex settle redrive faults fuzz bench clean distclean

help: ## What can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-20s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "  Settings: PYTHON=$(PYTHON) (for .venv), PORT=$(PORT) (of the local AWS), DATA=$(DATA) (what it keeps), STAGE=$(STAGE), JOBS=$(JOBS),"
	@echo "            MAIL_SENDER=$(MAIL_SENDER) (that invoices come from on AWS; empty keeps the one that is deployed),"
	@echo "            ALARM_MAIL=$(ALARM_MAIL) (that alarms are mailed to; empty keeps the one that is deployed)"

# To use it

run: setup ## The whole of it before your eyes: local AWS, deployment, one freelancer's month; stays up until Ctrl-C
	@$(BIN)/python -m operations.demo --port $(PORT) --data $(DATA) $(if $(PRODUCTS),--products $(PRODUCTS))

local-aws: setup ## The local AWS alone, in the foreground, until Ctrl-C
	@$(BIN)/python -m operations.local_aws run --port $(PORT) --data $(DATA)

local-aws-stop: $(READY) ## Stop a local AWS that `python -m operations.local_aws start` left in the background
	@$(BIN)/python -m operations.local_aws stop

deploy-local: setup ## Package and deploy into the local AWS that runs at PORT
	@AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_DEFAULT_REGION=us-east-1 \
		$(BIN)/python -m operations.deploy --stage local --endpoint http://127.0.0.1:$(PORT)

local: setup ## `chalice local`: the API from these files, on port 8000, against the local AWS at PORT
	@$(BIN)/python -m operations.serve --aws-port $(PORT)

package: $(READY) ## The CloudFormation template and the zip of STAGE, in build/package/STAGE
	@$(BIN)/python -m operations.package --stage $(STAGE)

deploy: $(READY) ## Package STAGE and put it into the AWS account that your credentials are for
	@$(BIN)/python -m operations.deploy --stage $(STAGE) $(MAIL)

deploy-with-chalice: $(READY) ## The same with `chalice deploy` for the functions and the API
	@$(BIN)/python -m operations.deploy --stage $(STAGE) $(MAIL) --with-chalice

reindex: $(READY) ## Make the search index anew from the table: of ACCOUNT=acc_..., or of all accounts of STAGE
	@$(BIN)/python -m operations.reindex --stage $(STAGE) $(if $(ACCOUNT),--account '$(ACCOUNT)') $(if $(ENDPOINT),--endpoint '$(ENDPOINT)')

settle: $(READY) ## Bring ORDER=ord_... of ACCOUNT=acc_... to its end, which its workflow could not
	@$(BIN)/python -m operations.settle --stage $(STAGE) --account '$(ACCOUNT)' --order '$(ORDER)' $(if $(ENDPOINT),--endpoint '$(ENDPOINT)')

redrive: $(READY) ## Put back what was given up on: of QUEUE=imports, or of all queues of dead letters of STAGE
	@$(BIN)/python -m operations.redrive --stage $(STAGE) $(if $(QUEUE),--queue '$(QUEUE)') $(if $(ENDPOINT),--endpoint '$(ENDPOINT)')

# To work on it

setup: $(READY) $(AWS_READY) ## Virtual environments with everything in them (other targets do it when needed)

test: lint types tests ## All checks and all tests, as continuous integration runs them

lint: $(READY) ## ruff: mistakes and format
	@$(BIN)/ruff check $(SOURCES)
	@$(BIN)/ruff format --check --quiet $(SOURCES)

format: $(READY) ## Let ruff put the files into its format
	@$(BIN)/ruff format $(SOURCES)

types: $(READY) ## mypy --strict
	@$(BIN)/mypy

tests: setup ## All tests
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadgroup

faults: setup ## The long fault campaign: every AWS call of every scenario, every fault; then every planted bug
	@$(BIN)/python -m tests.faults --jobs $(JOBS)
	@$(BIN)/python -m tests.faults --planted --jobs $(JOBS)

fuzz: setup ## Malformed and odd requests by the hundred thousand; SEED=... repeats a run
	@$(BIN)/python -m tests.fuzz --jobs $(JOBS) $(if $(SEED),--seed $(SEED))

bench: setup ## What the README's figures come from
	@$(BIN)/python -m benchmarks

clean: ## Remove what was built and what tools cached
	@rm -rf build .mypy_cache .pytest_cache .ruff_cache .hypothesis .chalice/deployments
	@find . -name __pycache__ -not -path './.venv*' -prune -exec rm -rf {} +

distclean: clean ## Remove the virtual environments and the local AWS's data too
	@rm -rf $(VENV) $(AWS_VENV) $(DATA)

$(READY): requirements.txt requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Daybook needs Python 3.11 or later; choose one with PYTHON=...")'
	@echo "Setting up $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip $(PIP_INSTALL) --requirement requirements-dev.txt
	@touch $@

$(AWS_READY): operations/local-aws-requirements.txt
	@echo "Setting up $(AWS_VENV)"
	@$(PYTHON) -m venv $(AWS_VENV)
	@$(AWS_VENV)/bin/python -m pip $(PIP_INSTALL) --requirement operations/local-aws-requirements.txt
	@touch $@
