# Two commands do everything on a fresh machine: `make demo` and `make test`. `make check` is the quick one while working.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
STAMP := .venv/.installed

.PHONY: demo test check check-static format clean

demo: .venv/.installed-tables
	$(BIN)/trainwright demo
	@echo "The command is in $(BIN): source $(BIN)/activate"

test: $(STAMP)
	$(BIN)/python -m pytest -n 2 --dist loadfile

check: check-static
	$(BIN)/python -m pytest -q -m "not slow and not shared" -x -n 2 --dist loadfile

check-static: $(STAMP)
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(STAMP)
	$(BIN)/ruff format src tests benchmarks
	$(BIN)/ruff check --fix src tests benchmarks

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/.installed-tables: .venv/bin/python pyproject.toml constraints.txt
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[tables]'
	@touch $@

$(STAMP): .venv/bin/python pyproject.toml constraints.txt
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[tables,dev]'
	@touch $@ .venv/.installed-tables

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
