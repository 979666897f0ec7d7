# Two commands do everything on a machine with Python >= 3.11: `make demo` and `make test`.
# Each makes the virtual environment in .venv and installs what it needs there.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
JOBS ?= 2
KERNELS := bounds conv epilogues fusion fusion_axes fusion_random gemm kernels kernels_of_members losses plan pooling \
  products program reorder runs stacks team tiles

test test-deep: export NUMBA_CACHE_DIR := $(CURDIR)/build/numba

.PHONY: demo test test-deep bench lint docs clean

demo: $(VENV)/.installed
	$(BIN)/python examples/digits_ensemble.py

test: $(VENV)/.installed
	$(BIN)/python -m pytest -n $(JOBS) -m "not deep"
	VMAPCORE_NUMBA=0 $(BIN)/python -m pytest -n $(JOBS) -m "plans and not (numpy_plans or deep)" tests
	VMAPCORE_NUMBA=0 VMAPCORE_TINY=1 $(BIN)/python -m pytest -n $(JOBS) -m tiny tests
	$(BIN)/python -m pytest --doctest-glob='*.md' README.md CONTRIBUTING.md docs

test-deep: $(VENV)/.installed
	for f in $$(grep -lE "numpy_plans|mark.deep" tests/test_*.py); do \
	  HYPOTHESIS_PROFILE=deep $(BIN)/python -m pytest -n $(JOBS) -m "numpy_plans or deep" $$f || exit; \
	done
	HYPOTHESIS_PROFILE=deep $(BIN)/python -m pytest -n $(JOBS) tests/test_properties.py
	VMAPCORE_NUMBA=0 VMAPCORE_TINY=1 $(BIN)/python -m pytest -n $(JOBS) -m "tiny or tiny_deep"
	NUMBA_BOUNDSCHECK=1 $(BIN)/python -m pytest -n $(JOBS) $(KERNELS:%=tests/test_%.py)
	for n in 1 2 3; do VMAPCORE_NUM_THREADS=$$n VMAPCORE_TINY=1 $(BIN)/python -m pytest -n $(JOBS) -m "tiny or tiny_deep" || exit; done

bench: $(VENV)/.installed
	$(BIN)/python -m bench run all

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

clean:
	rm -rf $(VENV) build dist out

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "vmapcore needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[cpu,test,lint,examples]'
	touch $@
