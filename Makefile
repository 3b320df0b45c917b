# make demo: play the worked example.  make test: all checks and tests.  PYTHON=python3.12 chooses the interpreter.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: help demo test lint clean
help:
	@echo "make demo    a change goes from commit to production and back, on this machine"
	@echo "make test    lint, types, layers, all tests"
	@echo "make lint    lint, types, layers"
	@echo "make clean   remove .venv"

demo: .venv/demo
	@$(BIN)/sluicegate demo

test: lint
	@$(BIN)/pytest -q -n auto

lint: .venv/dev
	@$(BIN)/ruff check -q . && $(BIN)/ruff format -q --check . && echo "ruff: well"
	@$(BIN)/mypy
	@$(BIN)/lint-imports

# What is installed, by the extra that was asked for; made anew when the package's metadata changes.
.venv/demo .venv/dev: setup.cfg pyproject.toml | .venv/made
	@echo "installing into .venv (extra $(@F)) ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[$(@F)]'
	@touch $@

.venv/made:
	@command -v git >/dev/null || { echo "git is missing: apt install git" >&2; exit 2; }
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is missing: apt install python3 python3-venv" >&2; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "$(PYTHON) is older than 3.11: install a newer one and say make PYTHON=python3.11" >&2; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "$(PYTHON) has no venv: apt install python3-venv" >&2; exit 2; }
	@$(PYTHON) -m venv .venv
	@touch $@

clean:
	rm -rf .venv
