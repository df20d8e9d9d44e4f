# make demo      generate images from the bundled example recordings, in demo/
# make test      run the tests, all but the slow ones
# make test-all  run all tests
# make docs      build the documentation site in site/, and check its links
# make lint      check style, types and the order of imports, and the page's scripts
# make check     lint and test: what must pass before a change is merged
# make build     build the wheels and source archives of both packages, in dist/

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# Two worker processes. The tests of one file share a worker, and with it their models; files are run as collected.
PYTEST := $(BIN)/pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder
# Compiled modules are kept: many tests start processes, which import them.
unexport PYTHONDONTWRITEBYTECODE
TINY := packages/photism-tiny
EXAMPLES := $(wildcard $(TINY)/src/photism_tiny/examples/*.ogg)

# The first of these that is Python 3.10 to 3.13 and can create a virtual environment is used.
PYTHONS := python3 python3.13 python3.12 python3.11 python3.10
SUITABLE := import sys, venv, ensurepip; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))

.PHONY: demo test test-all docs lint check build

demo: $(INSTALLED)
	rm -rf demo && mkdir demo
	$(BIN)/photism draw $(EXAMPLES) -o demo
	$(BIN)/python docs/make_strip.py demo/strip.png $(EXAMPLES)
	@echo "The images are in demo/, and demo/strip.png shows all of them. Next: source $(VENV)/bin/activate"

test: $(INSTALLED)
	$(PYTEST) -m "not slow"

test-all: $(INSTALLED)
	$(PYTEST)

docs: $(INSTALLED)
	@test -x $(BIN)/mkdocs || { echo "make docs needs Python 3.11 or later, but $(VENV) has" \
		"$$($(BIN)/python --version); remove $(VENV) and put a later python3 first in PATH" >&2; exit 1; }
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build
	$(BIN)/python docs/build_site/check_site.py site

lint: $(INSTALLED)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports
	$(BIN)/oxlint --deny-warnings src/photism/server/studio/static

check: lint test

build: $(INSTALLED)
	rm -rf dist
	$(BIN)/python -m build --outdir dist .
	$(BIN)/python -m build --outdir dist $(TINY)
	$(BIN)/twine check --strict dist/*

$(INSTALLED): pyproject.toml $(TINY)/pyproject.toml constraints.txt
	@for python in $(PYTHONS); do \
		if $$python -c '$(SUITABLE)' 2>/dev/null; then \
			echo "$$python -m venv $(VENV)"; exec $$python -m venv $(VENV); \
		fi; \
	done; \
	echo "Photism needs Python 3.10 to 3.13 with venv: on Debian and Ubuntu, apt install python3-venv" >&2; \
	exit 1
	@echo "Installing Photism with its extras, which takes some minutes and several gigabytes of disk ..."
	$(BIN)/pip install --quiet --constraint constraints.txt --editable $(TINY) --editable '.[dev]'
	touch $@
