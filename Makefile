# stietime: `make demo` and `make test` do everything on a fresh machine; both install first when needed.

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
CORES := $(shell nproc 2>/dev/null || sysctl -n hw.ncpu 2>/dev/null || echo 2)
export STIETIME_DATA ?= $(abspath ../shared/data)

.PHONY: help install demo test check unit lock container clean benchmark-quality benchmark-scale benchmark-states benchmark-statistics benchmark-expression benchmark-spatial

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(READY) ## make .venv from envs/requirements.lock

$(READY): envs/requirements.lock pyproject.toml envs/install
	@envs/install $(VENV)
	@touch $@

demo: $(READY) ## run the whole chain on the embedded simulated cohort
	@$(BIN)/stietime demo --cores $(CORES)

test: check unit ## run every check

check: $(READY) ## style, types, workflow lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check Snakefile workflow
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/snakemake --lint

unit: $(READY) ## tests, among them the workflow end to end
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/pytest -n $(CORES) --dist loadfile --no-loadscope-reorder --durations 15

benchmark-quality: $(READY) ## measure quality control beside the peers (QUICK=1 for small cases)
	PYTHONPATH=. $(BIN)/python -m benchmarks.quality $(if $(QUICK),--quick)

benchmark-scale: $(READY) ## measure the whole chain beside a plain script (QUICK=1 for 5,000 cells)
	PYTHONPATH=. $(BIN)/python -m benchmarks.scale $(if $(QUICK),--quick)

benchmark-states: $(READY) ## measure cell types and states beside the peers (QUICK=1 for small cases)
	PYTHONPATH=. $(BIN)/python -m benchmarks.states $(if $(QUICK),--quick)

benchmark-statistics: $(READY) ## measure the tests between patients beside peers (QUICK=1 for small cases)
	PYTHONPATH=. $(BIN)/python -m benchmarks.statistics $(if $(QUICK),--quick)

benchmark-expression: $(READY) ## measure the tests of genes between patients beside peers and R (QUICK=1 for small cases)
	PYTHONPATH=. $(BIN)/python -m benchmarks.expression $(if $(QUICK),--quick)

benchmark-spatial: $(READY) ## measure tissue sections beside the peers (QUICK=1 for small cases)
	PYTHONPATH=. $(BIN)/python -m benchmarks.spatial $(if $(QUICK),--quick)

lock: $(READY) ## resolve envs/requirements.lock anew (needs uv)
	envs/lock

container: ## build the image the rules can run in (needs docker and apptainer)
	docker build --file envs/Dockerfile --tag stietime .
	apptainer build --force envs/stietime.sif docker-daemon://stietime:latest

clean: ## remove results, simulated data and caches; .venv stays
	rm -rf results resources .snakemake .pytest_cache .mypy_cache .ruff_cache
