# make demo   draw the bundled example sounds to pictures in demo/
# make test   run the tests
# make check  what must pass before a change goes in: lint, types, tests

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
TINY := packages/photism-tiny
EXAMPLES := $(wildcard $(TINY)/src/photism_tiny/examples/*.ogg)

# The first of these that is 3.10 to 3.13 and can make a virtual environment.
PYTHONS := python3 python3.13 python3.12 python3.11 python3.10
SUITABLE := import sys, venv, ensurepip; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))

.PHONY: demo test lint check

demo: $(INSTALLED)
	rm -rf demo && mkdir demo
	$(BIN)/photism draw $(EXAMPLES) -o demo
	$(BIN)/python docs/make_strip.py demo/strip.png $(EXAMPLES)

test: $(INSTALLED)
	$(BIN)/pytest

lint: $(INSTALLED)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyright --pythonpath $(BIN)/python

check: lint test

$(INSTALLED): pyproject.toml $(TINY)/pyproject.toml constraints.txt
	@for python in $(PYTHONS); do \
		if $$python -c '$(SUITABLE)' 2>/dev/null; then \
			echo "$$python -m venv $(VENV)"; exec $$python -m venv $(VENV); \
		fi; \
	done; \
	echo "Photism needs Python 3.10 to 3.13 with venv: on Debian and Ubuntu, apt install python3-venv" >&2; \
	exit 1
	$(BIN)/pip install --quiet --constraint constraints.txt --editable $(TINY) --editable '.[dev]'
	touch $@
