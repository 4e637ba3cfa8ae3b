# `make solve` solves a first problem, `make test` runs all the checks.
# Both set up .venv when it is missing or older than what it was made from.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

# The peers of validation/peers, in an environment of their own.
PEERS := .venv-peers
PEERS_INSTALLED := $(PEERS)/.installed
PEERS_ARGS ?=

# One thread a process: the matrices of the tests are small, and threads only contend.
TEST_ENV := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1

.PHONY: help solve test validate check peers format clean

help:
	@echo "make solve   solve Poisson's equation; pictures and numbers go to runs/"
	@echo "make test    lint, types, tests and a few measured cases"
	@echo "make validate  every figure of validation/, about an hour"
	@echo "make check   lint and types only"
	@echo "make peers   measure DeepXDE, PINA, pykan, Scimba, scikit-fem beside gmnm-pde (an hour)"
	@echo "make format  put the code into its standard format"
	@echo "make clean   remove .venv and caches"

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' \
		|| { echo "gmnm-pde needs Python 3.10 or later; name one: make PYTHON=python3.12"; exit 1; }
	@echo "Setting up $(VENV); the first time this downloads PyTorch."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

solve: $(INSTALLED)
	$(BIN)/gmnm-pde solve problems/poisson.yaml

check: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: check
	$(TEST_ENV) $(BIN)/python -m pytest -n 2
	$(BIN)/python validation/run.py quick

validate: $(INSTALLED)
	$(BIN)/gmnm-pde validate

# About an hour on one core; PEERS_ARGS="poisson --quick" measures a part in minutes.
peers: $(INSTALLED) $(PEERS_INSTALLED)
	$(BIN)/python validation/peers/run.py $(PEERS_ARGS)

$(PEERS_INSTALLED): validation/peers/requirements.txt constraints.txt
	@echo "Setting up $(PEERS), 2 GB; only 'make peers' uses it."
	@test -x $(PEERS)/bin/python || $(PYTHON) -m venv $(PEERS)
	@$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check \
		-c constraints.txt -r validation/peers/requirements.txt
	@touch $@

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) $(PEERS) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
