# Each target does the set-up it needs: `make quickstart` and `make test` work on a fresh clone.
.DEFAULT_GOAL := help
SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
RUN ?= runs/quickstart
PYTHON ?= $(shell for p in python3.12 python3.11 python3; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' 2>/dev/null \
	&& echo $$p && break; done)

.PHONY: help install quickstart test lint bench gpu-check report clean check-system

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

install: $(VENV)/.installed  ## make the environment in .venv (about 3 minutes, 6 GB)

quickstart: install  ## data, training, a talking video, scores and a report in runs/quickstart
	PATH="$(CURDIR)/$(BIN):$$PATH" bash experiments/000-quickstart/run.sh

test: $(VENV)/.installed-dev  ## the whole test suite
	$(BIN)/python -m pytest

lint: $(VENV)/.installed-dev  ## format, rules and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright

bench: install  ## speed of each part on this machine
	$(BIN)/vasa bench

# Neither installs nor fetches: .venv where it is, else the python3 that is there.
DATA ?=
WHEELS ?=
SECONDS ?= 240
LIMIT ?= 570
DEVICE ?= cuda
OUT ?= runs/gpu-check
unexport SECONDS  # to bash it is a clock

gpu-check:  ## tests, speed, a short training on a GPU: DATA=shards SECONDS=240 OUT=runs/gpu-check
	"$(or $(wildcard $(BIN)/python),python3)" experiments/004-gpu-check/gpu_check.py \
		--out "$(OUT)" --seconds "$(SECONDS)" --limit "$(LIMIT)" --device "$(DEVICE)" \
		$(if $(DATA),--data "$(DATA)") $(if $(WHEELS),--wheels "$(WHEELS)")

report: install  ## the report of RUN (runs/quickstart) again from its records
	$(BIN)/vasa report results=$(RUN)/results.jsonl output=$(RUN)/report.html \
		"runs=[$$(find $(RUN) -name metrics.jsonl -printf '%h\n' | sort | paste -sd,)]"

clean:  ## remove the environment and caches; runs/ stays
	rm -rf $(VENV) build dist .pytest_cache .ruff_cache

check-system:
	@test -n "$(PYTHON)" || { echo "vasa needs Python 3.11 or 3.12, found none; on Debian or Ubuntu:" \
		"sudo apt-get install python3 python3-venv (or give PYTHON=/path/to/python3.12)"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "vasa needs Python's venv module:" \
		"sudo apt-get install python3-venv"; exit 1; }
	@command -v ffmpeg >/dev/null || { echo "vasa needs ffmpeg, found none:" \
		"sudo apt-get install ffmpeg"; exit 1; }

$(BIN)/python: | check-system
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | check-system $(BIN)/python
	@echo "installing vasa into $(VENV): about 3 minutes and 6 GB the first time"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@
