# Everything a person or a machine does with this repository. `make` alone lists it.
.POSIX:
.PHONY: help setup demo test test-deep test-local-model test-filters check format bench bench-setup bench-server container lock clean \
        reliability-api reliability-backups reliability-fuzz reliability-memory reliability-upgrade \
        reliability-inputs reliability-kills reliability-rot reliability-histories reliability-model reliability-clients \
        reliability-power reliability-calls reliability-clocks reliability-door

PYTHON = python3
BIN = .venv/bin
STAMP = .venv/.ready
LOCAL_STAMP = .venv/.local-model-ready
FUZZ_STAMP = .venv/.fuzz-ready
BENCH_BIN = .venv-bench/bin
BENCH_STAMP = .venv-bench/.ready
PIP = $(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check
TORCH = torch==2.13.0

help:
	@echo "make setup             the virtual environment .venv, from hashed lock files"
	@echo "make demo              a server with a sample library, and a first search"
	@echo "make test              all tests but the two below (minutes)"
	@echo "make test-deep         long randomised and crash tests"
	@echo "make test-local-model  the local embedding model (downloads PyTorch)"
	@echo "make test-filters      recall, hits and time of filters of every share (DATA=folder, ARGS=options)"
	@echo "make reliability-api   requests made from the OpenAPI document (ARGS=options, here and below)"
	@echo "make reliability-fuzz  coverage-guided fuzzing of everything that decodes strangers' bytes"
	@echo "make reliability-inputs  sixty bad inputs against a server with keys"
	@echo "make check             ruff, mypy, import contracts"
	@echo "make format            let ruff rewrite the sources"
	@echo "make bench             Quire's index beside other libraries (DATA=folder, ARGS=options)"
	@echo "make bench-server      a real server: import, search, filters, kill -9, many clients"
	@echo "make reliability-kills     1,000 servers killed under mixed load"
	@echo "make reliability-rot       every byte of every kind of file flipped, every file cut at every length, folders edited"
	@echo "make reliability-histories 100 histories of concurrent clients over a kill, judged for linearizability"
	@echo "make reliability-model     100,000 steps against a dict and brute force, with crashes among them"
	@echo "make reliability-clients   clients that break off, repeat and crowd; servers ended under load"
	@echo "make reliability-power    power losses on a simulated disk, at any step, torn and reordered (minutes)"
	@echo "make reliability-calls    every call to the disk fails once, in every way (an hour)"
	@echo "make reliability-memory   memory over 100,000 requests, hostile ones, a server under strain (ten minutes)"
	@echo "make reliability-clocks   the wall clock jumps by a day and by twenty years while a server works (minutes)"
	@echo "make reliability-door     500 slow clients, large refusals, a hunt for secrets, a noisy key (ten minutes)"
	@echo "make reliability-backups  backups under load, edited, hostile, and killed at each step (minutes)"
	@echo "make reliability-upgrade  folders of every format, opened and killed at each step (minutes)"
	@echo "make container         build the image, run it locked down, probe it"
	@echo "make lock              resolve requirements/*.lock again (UPGRADE=1: to the newest)"
	@echo "make clean             remove .venv and caches (never data)"

setup: $(STAMP)

$(STAMP): pyproject.toml client/pyproject.toml requirements/dev.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Quire needs Python 3.11 or newer as '$(PYTHON)', found: $$($(PYTHON) --version 2>&1)."; \
	  echo "Name another one: make setup PYTHON=python3.13"; exit 1; }
	@test -x $(BIN)/python || { echo "creating .venv"; $(PYTHON) -m venv .venv; }
	@echo "installing the locked packages (about a minute)"
	@$(PIP) --require-hashes -r requirements/dev.lock
	@$(PIP) --no-deps --no-build-isolation -e client -e .
	@touch $(STAMP)

demo: setup
	@$(BIN)/python scripts/demo.py

test: setup
	@$(BIN)/quire warmup
	@$(BIN)/python -m pytest -q -n 2 --dist worksteal --session-timeout=2400

test-deep: setup
	@$(BIN)/quire warmup
	@$(BIN)/python -m pytest -q -m deep --timeout=1800 --session-timeout=7200

test-local-model: setup $(LOCAL_STAMP)
	@HF_HUB_OFFLINE=1 TRANSFORMERS_OFFLINE=1 $(BIN)/python -m pytest -q -m local_model

test-filters: setup
	@DATA="$(DATA)"; $(BIN)/python -m bench.filters --check $${DATA:+--data "$$DATA"} $(ARGS)

reliability-api: setup
	@$(BIN)/python -m reliability.api --save $(ARGS)

reliability-fuzz: setup $(FUZZ_STAMP)
	@$(BIN)/python -m reliability.fuzz --save $(ARGS)

$(FUZZ_STAMP): requirements/fuzz.lock
	@$(PIP) --require-hashes -r requirements/fuzz.lock
	@touch $(FUZZ_STAMP)

$(LOCAL_STAMP): requirements/local.lock
	@$(PIP) --require-hashes -r requirements/local.lock --no-deps
	@$(PIP) "$(TORCH)"
	@touch $(LOCAL_STAMP)

reliability-inputs: setup
	@$(BIN)/python -m reliability.inputs --save $(ARGS)

check: setup
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: setup
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

bench: setup bench-setup
	@DATA="$(DATA)"; $(BIN)/python -m bench.peers $${DATA:+--data "$$DATA"} $(ARGS)

bench-setup: $(BENCH_STAMP)

$(BENCH_STAMP): requirements/bench.lock
	@test -x $(BENCH_BIN)/python || $(PYTHON) -m venv .venv-bench
	@echo "installing the libraries to compare with"
	@$(BENCH_BIN)/python -m pip install --quiet --quiet --disable-pip-version-check \
	  --require-hashes -r requirements/bench.lock
	@touch $(BENCH_STAMP)

bench-server: setup
	@$(BIN)/python -m bench.run

reliability-kills: setup
	@$(BIN)/python -m reliability.kills --count 1000 --save $(ARGS)

reliability-rot: setup
	@$(BIN)/python -m reliability.rot --count 0 --save $(ARGS)
	@$(BIN)/python -m reliability.folder_edits --save

reliability-histories: setup
	@$(BIN)/python -m reliability.histories --count 100 --save $(ARGS)

reliability-model: setup
	@$(BIN)/python -m reliability.model --count 100000 --save $(ARGS)

reliability-clients: setup
	@$(BIN)/python -m reliability.clients --count 60 --save $(ARGS)
	@$(BIN)/python -m reliability.drain --count 50 --save

reliability-power: setup
	@$(BIN)/python -m reliability.power --save $(ARGS)

reliability-calls: setup
	@$(BIN)/python -m reliability.calls --save $(ARGS)

reliability-memory: setup
	@$(BIN)/python -m reliability.memory --count 100000 --save $(ARGS)
	@$(BIN)/python -m reliability.strain --save
	@$(BIN)/python -m reliability.allocations --save

reliability-clocks: setup
	@$(BIN)/python -m reliability.clocks --count 280 --save $(ARGS)

reliability-door: setup
	@$(BIN)/python -m reliability.door --save $(ARGS)

reliability-backups: setup
	@$(BIN)/python -m reliability.backups --save $(ARGS)

reliability-upgrade: setup
	@$(BIN)/python -m reliability.upgrade --save $(ARGS)

container:
	@sh scripts/container_check.sh

lock:
	@BIN=$(BIN) UPGRADE=$(UPGRADE) sh scripts/lock.sh

clean:
	rm -rf .venv .venv-bench .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find src client tests bench examples reliability scripts -name __pycache__ -type d -prune -exec rm -rf {} +
