# The chores of this project. Bare `make` lists them.
PYTHON = .venv/bin/python
BIN = .venv/bin

.PHONY: help setup run fix check audit lock licences release test test-all test-fast test-browser test-gpu benchmarks screenshots rest-api

help:           ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 16

setup:          ## Install everything that running and testing needs
	scripts/set-up --tests

run:            ## Start the development server
	./digits-devserver

fix:            ## Format the code and mend what the linter can mend
	$(BIN)/ruff check --fix . && $(BIN)/ruff format . && $(BIN)/djlint --quiet --reformat templates

check:          ## Format, lint, types, floors, templates, spelling
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/djlint --quiet --check templates
	$(BIN)/codespell

audit:          ## Look for known weaknesses in what is installed; fails when there is one
	$(PYTHON) scripts/audit.py --strict

lock:           ## Renew the lock files; UPGRADE=all or a name, CPU_TORCH=index or folder
	$(PYTHON) scripts/lock.py $(if $(UPGRADE),--upgrade $(filter-out all,$(UPGRADE))) $(if $(CPU_TORCH),--cpu-torch $(CPU_TORCH))

licences:       ## Write docs/licences.md from what is installed
	$(PYTHON) scripts/licences.py

release:        ## Date the changelog, set the version and build dist/: make release VERSION=1.0.0
	$(PYTHON) scripts/release.py $(VERSION)

test:           ## Run all tests but the slow ones: minutes
	./digits-test

test-all:       ## Run every test, as .ci/run does: half an hour
	./digits-test --all

test-fast:      ## Run what needs neither a server nor a training: a minute
	./digits-test --fast

test-browser:   ## Run the tests that drive a real Chromium
	./digits-test -m browser

test-gpu:       ## Run the tests that need a CUDA device
	./digits-test -m gpu

benchmarks:     ## Measure what the documentation states
	$(PYTHON) -m benchmarks

screenshots:    ## Take the documentation's pictures from the running program
	$(PYTHON) -m scripts.screenshots docs/images
	$(PYTHON) -m scripts.transfer_screenshots docs/images

rest-api:       ## Write docs/RestApi.md, the list of all routes
	$(PYTHON) -m scripts.rest_api
