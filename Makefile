# make demo   score three potentials on the embedded DFT phonons, beside the leaderboard, and write a report
# make test   run the tests; make test-kernels: those whose arithmetic OpenBLAS can change, under other kernels
# make lint   ruff and mypy
# make attack damaged inputs, hostile potentials and files, a hundred kills: all of tests/attack, and what became of them
# make web    bundle the page of reports (web/) with Node.js: its checks and tests, also in Chromium where it is
# make fuzz   readers fed what atheris makes of good files, ten minutes each (SECONDS=600)
# Everything is installed into .venv, once; after that nothing needs the network.

ROOT := $(patsubst %/,%,$(dir $(abspath $(lastword $(MAKEFILE_LIST)))))
PYTHON ?= python3
VENV := $(ROOT)/.venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
SOURCES := $(ROOT)/pyproject.toml $(ROOT)/constraints.txt

.DEFAULT_GOAL := help
.PHONY: help demo test test-kernels test-slow attack fuzz lint bench web web-check clean

help:
	@sed -n 's/^# \{0,1\}//p' $(ROOT)/Makefile | head -7

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "softmode needs Python 3.11 or newer; say which with: make PYTHON=/path/to/python3.11 ..."; exit 1; }
	@echo "making the virtual environment $(VENV)"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/installed-demo: $(SOURCES) | $(BIN)/python
	@echo "installing softmode with CHGNet, SevenNet and Nequix (a few minutes, once)"
	@$(PIP) install -c $(ROOT)/constraints.txt -e '$(ROOT)[chgnet,sevennet,nequix]'
	@$(PIP) install --no-deps -c $(ROOT)/constraints.txt nequix
	@touch $@

$(VENV)/installed-test: $(SOURCES) | $(BIN)/python
	@echo "installing softmode with all potentials and what the tests need (a few minutes, once)"
	@$(PIP) install -c $(ROOT)/constraints.txt -e '$(ROOT)[mace,chgnet,sevennet,nequix,matgl,dev]'
	@$(PIP) install --no-deps -c $(ROOT)/constraints.txt nequix matgl
	@touch $@ $(VENV)/installed-demo

demo: $(VENV)/installed-demo
	@echo "scoring three potentials on the DFT phonons of Cs2AgBiBr6 (about a minute, less the second time)"
	@$(BIN)/softmode demo --output $(ROOT)/softmode-demo

test: $(VENV)/installed-test
	@cd $(ROOT) && $(BIN)/python -m pytest -n 2 --dist loadfile

# Of the rooms that compute, and of what studies make of it; what they promise must hold whatever the processor
# (docs/reliability.md). What becomes of settings, of pieces, of workers that fail or are killed, is the same under each.
ARITHMETIC := $(addprefix tests/,harmonic anharmonic statistics configurations dynamics) \
  $(addprefix tests/measurements/test_measurements_,analytic.py field_metrics.py lattice.py map.py modes.py noise.py sigma.py) \
  $(addprefix tests/study/test_study_,md_results.py paired.py) \
  --deselect tests/harmonic/test_harmonic_dispersion.py::test_agrees_with_phonopy_on_every_kind_of_material_in_the_database
test-kernels: $(VENV)/installed-test
	@cd $(ROOT) && unset OPENBLAS_L2_SIZE && \
	  kernels=$$($(BIN)/python tests/helpers/kernel_figures.py --others) && for kernel in $$kernels; do \
	    echo "tests of arithmetic under OPENBLAS_CORETYPE=$$kernel"; \
	    OPENBLAS_CORETYPE=$$kernel $(BIN)/python -m pytest -n 2 --dist loadfile $(ARITHMETIC) || exit 1; \
	  done

# Only who changes web/ needs Node.js: what it makes is committed.
web:
	@cd $(ROOT)/web && npm ci --silent && npm run --silent check && npm run --silent test && npm run --silent build
	@if command -v chromium > /dev/null; then cd $(ROOT)/web && npm run --silent browser; fi

# What is committed is what the sources make.
WEB_AGAIN := $(ROOT)/web/node_modules/.made-again
web-check:
	@cd $(ROOT)/web && npm ci --silent && npm run --silent check && npm run --silent test && npm run --silent browser
	@rm -rf $(WEB_AGAIN) && cd $(ROOT)/web && node build.mjs $(WEB_AGAIN)
	@diff -rq $(WEB_AGAIN) $(ROOT)/src/softmode/report/assets || { echo "make web, and commit what it makes"; exit 1; }

test-slow: $(VENV)/installed-test
	@cd $(ROOT) && $(BIN)/python -m pytest -m slow

attack: $(VENV)/installed-test
	@cd $(ROOT) && $(BIN)/python -m pytest -s -m 'slow or not slow' tests/attack

SECONDS ?= 600
fuzz: $(VENV)/installed-test
	@$(PIP) install 'atheris==3.0.0'
	@cd $(ROOT) && $(BIN)/python tests/attack/fuzz.py --seconds $(SECONDS) --findings $(ROOT)/fuzz-findings

lint: $(VENV)/installed-test
	@cd $(ROOT) && $(BIN)/ruff format --check src tests benchmarks && $(BIN)/ruff check src tests benchmarks && $(BIN)/mypy

bench: $(VENV)/installed-test
	@cd $(ROOT) && $(BIN)/python benchmarks/dispersion_vs_phonopy.py

clean:
	rm -rf $(VENV) $(ROOT)/softmode-demo $(ROOT)/.mypy_cache $(ROOT)/.ruff_cache $(ROOT)/.pytest_cache
