# The commands of the project. `make demo` is the only one a newcomer needs; every target sets up what it lacks.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg
PYTHON := .venv/bin/python

.PHONY: help demo lab test lint static unit molecule integration acceptance endurance bench setup clean

help: ## This list
	@echo "Hospital Recovery: a hospital's emergency plan as runbooks"
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

demo: ## Boot a hospital, destroy its database twice and kill its core switch, bring everything back
	@bin/setup everything
	@$(PYTHON) bin/demo

lab: ## Boot the hospital and leave it running (take it down with: .venv/bin/lab down)
	@bin/setup everything
	@bin/as-root .venv/bin/lab up
	@bin/as-root .venv/bin/lab status

test: ## lint, static, unit, molecule, integration within half an hour; one closing line
	@bin/setup tools
	@$(PYTHON) bin/test lint static unit molecule integration

lint: ## ruff, mypy, yamllint, ansible-lint
	@bin/setup python
	@$(PYTHON) bin/test lint

static: ## The playbooks, roles, modules and the plan, tested as data
	@bin/setup python
	@$(PYTHON) bin/test static

unit: ## Unit tests
	@bin/setup python
	@$(PYTHON) bin/test unit

molecule: ## Broken and recovered hospitals, one lab for each scenario
	@bin/setup tools
	@$(PYTHON) bin/test molecule

integration: ## The parts together, on labs of their own
	@bin/setup tools
	@$(PYTHON) bin/test integration

acceptance: ## What takes longer, on labs of its own: interrupted runs, switches of other makes, fibres, drills (under an hour)
	@bin/setup tools
	@$(PYTHON) bin/test acceptance

endurance: ## Kill a recovery at every point, cut the power, fill the disk; run it again (hours; goes on where it was stopped; ARGS="--points 5 --kinds kill")
	@bin/setup everything
	@bin/as-root env PYTHONPATH=tests $(PYTHON) -m endurance $(ARGS)
	@bin/as-root $(PYTHON) -m pytest -q tests/endurance/laboratory.py

bench: ## Measure against the raw tools; results in benchmarks/results/
	@bin/setup everything
	@$(PYTHON) -m pip install --quiet -e '.[bench]'
	@bin/as-root $(PYTHON) -m benchmarks.run

setup: ## Only set up what is missing
	@bin/setup everything

clean: ## Remove caches and the virtual environment; keeps incidents/ (evidence) and the lab's base image
	@rm -rf .venv .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .ansible build src/*.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
	@echo "Clean. Evidence in incidents/ and the lab's base image were kept."
