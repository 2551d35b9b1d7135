# Every target does its own set-up: a virtual environment in .venv with the versions of
# constraints.txt. The second time it is there already.
#
#   make demo                  the built-in shop, from raw events to a report
#   make demo DATA=ml-1m       the same on a public dataset
#   make demo SERVE=0          end with the report, without the page
#   make test                  the whole suite
#   make quick                 the suite without its slow tests
#   make check                 format, lint, types, import layers, spelling
#   make docs                  what the documents take from the code, and the site, strictly
#   make bench [TOPIC=...]     every benchmark, or one of benchmarks/

PYTHON ?= python3
VENV ?= .venv
# PyTorch comes first and alone, so that its build is yours to choose: on Linux the plain line
# brings the CUDA build. For another, give the packages and options of the line that
# https://pytorch.org/get-started prints: make demo TORCH='torch==2.13.0 ...'
TORCH ?= torch==2.13.0
DATA ?=
SERVE ?= 1
TOPIC ?=
WORKERS ?= auto

BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt
TORCHED := $(VENV)/.torch
PLAIN := $(VENV)/.plain
DEV := $(VENV)/.dev
DOCS := $(VENV)/.docs

.PHONY: demo test quick check docs bench clean

demo: $(PLAIN)
	$(BIN)/grapevine demo $(if $(DATA),--data $(DATA)) $(if $(filter 0,$(SERVE)),--no-serve)

test: $(DEV)
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

quick: $(DEV)
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile -m "not slow"

check: $(DEV)
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/basedpyright
	$(BIN)/lint-imports --no-logo
	$(BIN)/codespell

docs: $(DOCS)
	$(BIN)/python docs/generate.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

bench: $(DEV)
	@for script in $(if $(TOPIC),benchmarks/$(TOPIC).py,$(sort $(wildcard benchmarks/*.py))); do \
	  echo "== $$script"; $(BIN)/python $$script || exit 1; done

clean:
	rm -rf $(VENV) site .pytest_cache .ruff_cache .hypothesis .import_linter_cache

$(TORCHED): constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "grapevine needs Python 3.11 or later, and \`$(PYTHON)\` is `$(PYTHON) --version 2>&1`"; \
	  echo "hint: name another one: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) $(TORCH)
	@touch $@

$(PLAIN): $(TORCHED) pyproject.toml
	$(INSTALL) -e '.[serve]'
	@touch $@

$(DEV): $(TORCHED) pyproject.toml
	$(INSTALL) -e '.[dev,serve,postgres,onnx,tune,tensorboard]'
	@touch $@ $(PLAIN)

$(DOCS): $(DEV)
	$(INSTALL) -e '.[dev,docs,serve,postgres,onnx,tune,tensorboard]'
	@touch $@
