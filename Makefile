# Thin: the work is in the room command, pytest and Ansible. make alone lists the targets.
#
#   make up ARGS=--enable-cdi           options of room up
#   ROOM_SIMULATE_GPUS=4 make up        settings by environment
#   make test ARGS="-k names -x"        options of pytest
#   make up PYTHON=python3.12           another Python for .venv
PYTHON ?= python3
ARGS ?=
# A Python that was named is the one that .venv must have; python3 only has to make one.
named := $(if $(filter command% environment%,$(origin PYTHON)),--this-python)
bootstrap := @$(PYTHON) tools/bootstrap.py $(named)
# Tests wait for the engine most of the time. The order of their folders is pyproject.toml's.
at_once := --numprocesses=2 --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help up down test coverage test-unit lint bench locks

help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## /  make \1 ~/p' $(MAKEFILE_LIST) | column -t -s '~' 2>/dev/null || \
	  sed -n 's/^\([a-z-]*\):.*## /  make \1   /p' $(MAKEFILE_LIST)

up: ## Prepare this machine and start the room; again: only what is missing
	$(bootstrap) --root -- room up $(ARGS)

down: ## Stop the students' servers, then the room; delete nothing
	$(bootstrap) --root -- room down $(ARGS)

test: ## Install what the tests need, then run all of them
	$(bootstrap) --root --lock test -- python -m tests.prepare --beside
	$(bootstrap) --root --lock test -- python -m pytest $(at_once) $(ARGS)

coverage: ## The same, and which lines ran: twice the work
	@$(MAKE) test ARGS="--cov --cov-report=term $(ARGS)"

test-unit: ## The tests that need no Docker: seconds
	$(bootstrap) --lock test -- python -m pytest tests/unit $(ARGS)

lint: ## ruff, mypy, ansible-lint and the smaller checks
	$(bootstrap) --lock test -- pre-commit run --all-files $(ARGS)

bench: ## Measure; writes bench/results/
	$(bootstrap) --lock test -- python -m bench $(ARGS)

locks: ## Resolve every lock of the project again
	$(bootstrap) --lock test -- python tools/lock.py $(ARGS)
