# Two commands do everything on a machine with Python >= 3.11: `make demo` and `make test`.
# Each makes the virtual environment in .venv and installs what it needs there.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
JOBS ?= 2

# Tests of plans and their kernels, which run twice: compiled by Numba, and in NumPy alone.
PLANS := $(addprefix tests/test_, jit.py jit_inside.py jit_operations.py jit_results.py jit_threads.py plan.py runs.py \
	tiles.py fusion.py fusion_axes.py kernels.py epilogues.py examples.py stacks.py turned.py homes.py program.py \
	rules_jit.py passes.py threads.py layouts.py conv.py pooling.py losses.py sharing.py meetings.py coincidences.py \
	properties.py memory.py nn.py custom_op.py external.py trace.py)
test test-deep: export NUMBA_CACHE_DIR := $(CURDIR)/build/numba

.PHONY: demo test test-deep bench lint docs clean

demo: $(VENV)/.installed
	$(BIN)/python examples/digits_ensemble.py

test: $(VENV)/.installed
	$(BIN)/python -m pytest -n $(JOBS)
	VMAPCORE_NUMBA=0 $(BIN)/python -m pytest -n $(JOBS) $(PLANS)
	$(BIN)/python -m pytest --doctest-glob='*.md' README.md CONTRIBUTING.md docs

test-deep: $(VENV)/.installed
	HYPOTHESIS_PROFILE=deep $(BIN)/python -m pytest -n $(JOBS) tests/test_properties.py tests/test_rules_jit.py

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
