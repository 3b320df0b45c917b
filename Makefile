# make demo: play the worked example.  make test: all checks, and the tests without real parts.  make test-real: those
# with them.  PYTHON=python3.12 chooses the interpreter.
# CONSTRAINTS= takes the newest release of every library instead of the tested ones.
PYTHON ?= python3
CONSTRAINTS ?= constraints.txt
BIN := .venv/bin
# Most tests wait for builds, processes and servers longer than they compute: two of them to a processor.
WORKERS ?= $(shell expr 2 '*' $$(getconf _NPROCESSORS_ONLN))

.PHONY: help demo demo-real test test-real lint dist agent-file constraints clean FORCE
help:
	@echo "make demo    a change goes from commit to production and back, on this machine"
	@echo "make demo-real    the same with Nexus, a Puppet server, apt, HAProxy, slapd and seventeen hosts; root, Debian (KEEP=1 leaves it)"
	@echo "make test    lint, types, layers, all tests without real parts"
	@echo "make test-real    the tests with a real Nexus, HAProxy, Puppet, Ceph, browser and others, where they are installed"
	@echo "make lint    lint, types, layers"
	@echo "make dist    wheel and sdist in dist/, checked, and each tried in an empty environment"
	@echo "make agent-file    dist/sluicegate-agent-MACHINE: one file with its own Python, for agents (EXTRAS=s3)"
	@echo "make constraints    write constraints.txt anew: the newest release of every library"
	@echo "make clean   remove .venv, .tox and the caches"
	@echo "PYTHON=python3.12 make test    with that interpreter (3.11 or newer); .venv is made anew"

demo: .venv/demo
	@$(BIN)/sluicegate demo

demo-real: .venv/dev
	@$(BIN)/python -m tests.real.demo $(if $(KEEP),--keep)

# The workers begin together, and each would prepare all tests for itself (30 s): one process does it while lint computes.
test: .venv/dev
	@$(BIN)/python -m pytest -q --collect-only >/dev/null 2>&1 & $(MAKE) --no-print-directory lint; status=$$?; wait; exit $$status
	@$(BIN)/python -m pytest -q -n $(WORKERS) -m "not real and not root"

test-real: .venv/dev
	@$(BIN)/python -m pytest -q -n auto --dist loadgroup -m "real and not root"

lint: .venv/dev
	@$(BIN)/ruff check -q .
	@$(BIN)/ruff format -q --check . || { $(BIN)/ruff format --check .; exit 1; }
	@echo "ruff: well"
	@$(BIN)/mypy
	@$(BIN)/lint-imports

# What is installed, by the extra that was asked for; made anew when the package's metadata changes. Most of 11,000 files
# are never imported: to compile all of them took 40 s, and Python compiles those that are.
install = -m pip install --quiet --no-compile --disable-pip-version-check $(addprefix --constraint ,$(CONSTRAINTS)) --editable
.venv/demo .venv/dev: setup.cfg pyproject.toml $(CONSTRAINTS) .venv/made
	@echo "installing into .venv (extra $(@F)) ..."
	@$(BIN)/python $(install) '.[$(@F)]' >.venv/pip.log 2>&1 || { cat .venv/pip.log; exit 1; }
	@touch $@

dist: export PIP_COMPILE = 0
dist:
	@rm -rf dist .venv/packaging
	@$(PYTHON) -m venv .venv/packaging
	@.venv/packaging/bin/pip install --quiet --disable-pip-version-check build twine
	@.venv/packaging/bin/python -m build --outdir dist . >.venv/dist.log 2>&1 || { cat .venv/dist.log; exit 1; }
	@.venv/packaging/bin/twine check --strict dist/*
	@set -e; for package in dist/*; do \
		$(PYTHON) -m venv --clear .venv/packaging; \
		.venv/packaging/bin/pip install --quiet --disable-pip-version-check "$$package"; \
		.venv/packaging/bin/sluicegate --version; \
		ls "$$(.venv/packaging/bin/sluicegate jobs path)" >/dev/null; \
	done
	@rm -rf .venv/packaging

# For agents whose Python is older than 3.11; see docs/how-to/real-jenkins.md.
agent-file:
	@$(PYTHON) -m venv --clear .venv/agent
	@.venv/agent/bin/python packaging/agent_file.py --extras "$(EXTRAS)" dist/sluicegate-agent-$$(uname -m)
	@rm -rf .venv/agent

constraints: CONSTRAINTS =
constraints:
	@$(PYTHON) -m venv --clear .venv/newest
	@.venv/newest/bin/python $(install) '.[dev]'
	@sed -n '/^#/p' constraints.txt > .venv/constraints.txt
	@.venv/newest/bin/python -m pip freeze --all --exclude-editable | grep -v '^pip=' >> .venv/constraints.txt
	@mv .venv/constraints.txt constraints.txt
	@rm -rf .venv/newest

# A missing prerequisite is one line, without a trace of the recipe that found it.
lacks = $(if $(shell $(1) >/dev/null 2>&1 || echo lacks),$(error $(2)))
old = import sys; sys.exit(sys.version_info < (3, 11))
made_with = $(PYTHON)$(if $(CONSTRAINTS),, and the newest libraries)
ifneq ($(shell cat .venv/made 2>/dev/null),$(made_with))
.venv/made: FORCE
endif
.venv/made:
	$(call lacks,command -v git,git is missing: apt install git)
	$(call lacks,command -v $(PYTHON),$(PYTHON) is missing: apt install python3 python3-venv)
	$(call lacks,$(PYTHON) -c '$(old)',$(PYTHON) is older than 3.11: install a newer one and name it: PYTHON=python3.12 make)
	$(call lacks,$(PYTHON) -c 'import ensurepip; import venv',$(PYTHON) cannot make a .venv: apt install $(notdir $(PYTHON))-venv)
	@$(PYTHON) -m venv --clear .venv
	@echo "$(made_with)" > $@

clean:
	rm -rf .venv .tox .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
