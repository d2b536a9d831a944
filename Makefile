# make run    sets up .venv, runs the experiment of params.yaml, shows its result
# make test   the same environment, with linters, type checker and tests
# make clean  removes what the pipeline made, but neither the environment nor DVC's cache

PYTHON ?= python3
BIN := .venv/bin
export MLFLOW_DISABLE_TELEMETRY := true

.PHONY: run test clean
.DELETE_ON_ERROR:

run: .venv/run
	@touch .venv/asked
	$(BIN)/snakemake
# The report's stage shows the table when it runs.
	@test reports/tables/headline.txt -nt .venv/asked || \
	  { cat reports/tables/headline.txt; echo "The report: file://$(CURDIR)/reports/index.html"; }

test: .venv/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -n auto --dist loadfile

.venv/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "adaptts needs Python 3.11 or newer; name one: make PYTHON=python3.12 run" >&2; exit 1; }
	@command -v cc > /dev/null || \
	  { echo "adaptts needs a C compiler for pyworld and pysptk: apt-get install gcc g++ python3-dev" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	@touch $@

.venv/run: .venv/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet -c constraints.txt -e .
	@touch $@

.venv/test: .venv/run
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[test]'
	@touch $@

clean:
	rm -rf data models tuning voices results scratch folds corpus-check .snakemake
	rm -rf reports
