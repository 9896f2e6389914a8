# The contract of the repository: every target is self-sufficient on a fresh machine with Python >= 3.11. Holds no logic of its own.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help setup demo test fuzz lint compile parsers test-compiled fuzz-compiled sanitize e2e bench bench-loadtest soak images crds lock cluster-up cluster-down clean

help: ## this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

$(STAMP): requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Slipstream needs Python 3.11 or newer, this is " + sys.version.split()[0] + ": pass PYTHON=/path/to/python3.11") if sys.version_info < (3, 11) else 0'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

setup: $(STAMP) ## a virtual environment with locked, hashed dependencies and the `slipstream` command (.venv/bin/slipstream)

demo: $(STAMP) ## the whole of it on this machine, no cluster: a memory server, policies, a comparison load test (under 2 minutes)
	$(BIN)/slipstream demo

test: $(STAMP) ## unit, property, contract and integration tests, with coverage
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

FUZZ_SECONDS ?= 60
fuzz: $(STAMP) ## mutated framing attacks for FUZZ_SECONDS; prints its seed, and how to see a finding again
	PYTHONPATH=runtime:crds:. $(BIN)/python -m tests.property.http_fuzz $(FUZZ_SECONDS)

lint: $(STAMP) ## ruff, mypy strict, import-linter, generated files are current
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m slipstream_api.crdgen --check crds
	$(BIN)/python -m slipstream_loadtest.report.schema --check $(REPORT_SCHEMA)
	test ! -e operator/__init__.py || { echo "operator/__init__.py would shadow the standard library's operator module: remove it"; exit 1; }

e2e: $(STAMP) ## the stories against kind (root, Go and Debian's packages; the rest is installed); E2E_ARGS goes to pytest
	e2e/cluster/up
	e2e/cluster/images --load
	e2e/cluster/exec $(BIN)/python -m pytest e2e $(E2E_ARGS)

compile: $(STAMP) ## optional: the hot modules compiled with mypyc, scanner and sockets in C, into build/compiled (needs a C compiler and Python's headers)
	rm -rf build/compiled build/compile
	SLIPSTREAM_COMPILE=1 $(BIN)/python setup.py --quiet build --build-base build/compile --build-lib build/compiled

# The parsers compiled, the connections that feed them as ordinary Python: their parties here are tests', and nothing interpreted inherits from
# what is compiled.
parsers: compile
	rm -rf build/parsers
	cp -r build/compiled build/parsers
	rm build/parsers/slipstream_runtime/proxy/*.so
	$(BIN)/python -c 'import sys; sys.path.insert(0, "build/parsers"); from slipstream_runtime.http import chunks, scanner; assert chunks.__file__.endswith(".so"), chunks.__file__; assert scanner.SCANNER == "c", scanner.SCANNER'

CORPORA := $(addprefix tests/property/test_http_, corpus.py differential.py fuzzing.py remembered.py)
test-compiled: parsers ## the data path's tests, on the compiled modules; the corpora of framing attacks, on the compiled parsers
	$(BIN)/python -c 'import sys; sys.path.insert(0, "build/compiled"); from slipstream_runtime.proxy import client; assert client.__file__.endswith(".so"), client.__file__; from slipstream_runtime.http import scanner; assert scanner.SCANNER == "c", scanner.SCANNER; from slipstream_runtime.wire import wires; assert wires.WIRES == "c", wires.WIRES'
	$(BIN)/python -m pytest -o pythonpath="build/compiled ." tests/unit/slipstream_runtime tests/integration/datapath tests/compiled
	$(BIN)/python -m pytest -o pythonpath="build/parsers ." $(CORPORA)

COMPILED_FUZZ_SECONDS ?= 30
fuzz-compiled: parsers ## the same mutations, on the compiled parsers and the scanner in C, for COMPILED_FUZZ_SECONDS
	PYTHONPATH=build/parsers:. $(BIN)/python -m tests.property.http_fuzz $(COMPILED_FUZZ_SECONDS)

# Python's own allocator would hide what is behind an object's end. Leaks are the fuzzer's: an interpreter never frees all.
SANITIZED := PYTHONMALLOC=malloc ASAN_OPTIONS=detect_leaks=0 LD_PRELOAD="$$(cc -print-file-name=libasan.so) $$(cc -print-file-name=libubsan.so)"
sanitize: $(STAMP) ## the parts in C, built to find their own errors (gcc's ASan and UBSan): their tests, the corpora and 20 s of mutations
	rm -rf build/sanitized build/sanitize
	SLIPSTREAM_COMPILE=c SLIPSTREAM_SANITIZE=1 $(BIN)/python setup.py --quiet build --build-base build/sanitize --build-lib build/sanitized
	$(SANITIZED) $(BIN)/python -m pytest -o pythonpath="build/sanitized ." tests/compiled $(filter-out %/test_http_fuzzing.py, $(CORPORA))
	$(SANITIZED) PYTHONPATH=build/sanitized:. $(BIN)/python -m tests.property.http_fuzz 20

bench: $(STAMP) ## side-by-side benchmarks, each prints a ratio to a peer measured in the same run; BENCH_ARGS: --only, --json
	$(BIN)/python bench/run.py $(BENCH_ARGS)

bench-loadtest: $(STAMP) ## the load generator against k6, Locust and wrk, its lag, accuracy and memory; BENCH_ARGS: --only, --rounds, --against
	PYTHONPATH=bench $(BIN)/python -m loadtest $(BENCH_ARGS)

soak: $(STAMP) ## SOAK_SECONDS (600) of half load with faults, reloads and restarts: no wrong answer, memory and descriptors flat
	$(BIN)/python bench/soak.py --seconds $(or $(SOAK_SECONDS),600)

images: $(STAMP) ## the images of operator, runtime and example (loaded into the cluster if one is up)
	e2e/cluster/images --load

REPORT_SCHEMA := docs/schema/loadtest-report-v1.schema.json
crds: $(STAMP) ## crds/*.yaml and the schema of load-test reports from their models
	$(BIN)/python -m slipstream_api.crdgen crds
	$(BIN)/python -m slipstream_loadtest.report.schema $(REPORT_SCHEMA)

lock: ## requirements/*.txt from pyproject.toml, every file with hashes
	$(PYTHON) -m venv .cache/lock && .cache/lock/bin/pip install --quiet uv
	for extra in runtime cli operator otel example build dev; do .cache/lock/bin/uv pip compile --quiet --universal --generate-hashes --no-header --python-version 3.11 --extra $$extra pyproject.toml -o requirements/$$extra.txt; done

cluster-up: ## a kind cluster named slipstream; builds what can't be pulled (cached)
	e2e/cluster/up

cluster-down: ## deletes the cluster and stops what cluster-up started
	e2e/cluster/down

clean: ## everything that the other targets made in this folder
	rm -rf $(VENV) .cache .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache build dist *.egg-info
