# `make demo` and `make test` need Python 3.11 or newer, pip and make; everything else they set up.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The CPU build of torch: where pip finds none by itself, say
#   make demo TORCH_ARGS="--index-url <the CPU index that pytorch.org names>"
TORCH ?= torch==2.13.0
TORCH_ARGS ?=
ARGS ?=
export OMP_WAIT_POLICY ?= passive

.PHONY: help demo test test-all kernels lint lock clean

help:  ## Show what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

# One stamp a lock: a second run reuses the venv. torch stands apart from the hashed lock because its
# CPU wheel has another name on every index; bytecode is compiled because Ray's workers import it all.
$(VENV)/ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip uv
	$(BIN)/python -m pip install --quiet $(TORCH) $(TORCH_ARGS)
	$(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode --require-hashes -r requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $@

demo: $(VENV)/ready  ## A market, a model, a server, its feeds and prices, and the replay's verdict
	$(BIN)/adsrank demo $(ARGS)

test: $(VENV)/ready  ## Lint, types, layering and the tests; under 20 minutes on 2 cores
	@$(MAKE) --no-print-directory --jobs 2 --output-sync lint kernels
	$(BIN)/python -m pytest -m "not slow" $(ARGS)

test-all: $(VENV)/ready  ## The slow checks as well
	@$(MAKE) --no-print-directory --jobs 2 --output-sync lint kernels
	$(BIN)/python -m pytest $(ARGS)

kernels: $(VENV)/ready  ## Compile the auction ahead: a minute or two once a checkout
	$(BIN)/python -m auction.warm

lint: $(VENV)/ready  ## ruff, mypy and import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

lock: $(VENV)/ready  ## Pin everything anew (torch is pinned above)
	printf "$(TORCH) ; sys_platform == 'never'\n" > $(VENV)/no-torch.txt
	$(BIN)/uv pip compile pyproject.toml --extra postgres --extra dev --universal --python-version 3.11 --generate-hashes \
		--override $(VENV)/no-torch.txt --no-header --no-emit-index-url --quiet --output-file requirements.lock

clean:  ## Remove the venv and everything a run leaves
	rm -rf $(VENV) demo-out runs .pytest_cache .mypy_cache .ruff_cache .hypothesis
