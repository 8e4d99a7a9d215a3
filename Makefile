# The two commands: make conform, make test; while you work: make check. Everything installs into .venv by itself.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed-dev
PIP := $(BIN)/pip install --quiet --disable-pip-version-check
# For `make upgrade`. RESOLUTION: highest, or lowest-direct for the lower bounds of pyproject.toml.
LOCKS := core all bench dev mutants
RESOLUTION ?= highest
UV := uv>=0.13,<1
COMPILE = $(BIN)/uv pip compile pyproject.toml --quiet --upgrade --universal --python-version 3.11 \
  --resolution $(RESOLUTION) --no-annotate --custom-compile-command 'make upgrade'
# For `make lint`: words that the manual no longer uses.
RETIRED := --dictionary tests/docs/retired_terms.txt
NPM_FOLDERS := conformance/report/allure/npm tests/npm
NPM_LOCK := --package-lock-only --omit-lockfile-registry-resolved --ignore-scripts --no-audit --no-fund

.PHONY: check conform test soak mutants lint bench bench-tenfold docs install upgrade clean
.SECONDARY:
# Without saved bytecode every program that a test starts compiles Python's modules anew: half of its time.
unexport PYTHONDONTWRITEBYTECODE

conform: $(VENV)/.installed-all  ## the whole job on the embedded server: dataset, indexes, streams, suites, reports
	$(BIN)/zava conform --embedded

# Folders without a quick test, which need not be collected.
BUSY := end_to_end suites torture examples

check: lint  ## what a change needs first: lint, and all tests that need no server, store, browser or Node.js
	$(BIN)/pytest tests -m quick $(BUSY:%=--ignore tests/%) -n 2 --dist loadfile --timeout 120 --timeout-method thread -q

test: $(STAMP)  ## the project's own tests
	$(BIN)/pytest tests -n 3 --dist loadfile --no-loadscope-reorder --timeout 300 --timeout-method thread -o faulthandler_timeout=290 -q

soak: $(STAMP)  ## the long tests: hundreds of clean datasets, each fault alone, deep fuzzing
	$(BIN)/pytest tests -m soak -q
	FAULTS_ALONE=1 $(BIN)/pytest tests/faults/test_faults.py -q
	$(BIN)/pytest tests/conformance/model/validators/test_oracles.py tests/conformance/model/test_schema_packs.py --hypothesis-profile=deep -q
	$(BIN)/pytest suites/test_fuzzing.py --embedded --hypothesis-profile=deep -q

mutants: $(STAMP) $(VENV)/.installed-mutants  ## are wrong rules noticed: mutation testing of the rule modules, an hour at a time
	$(BIN)/pytest tests/mutants/test_mutants.py -q
	$(BIN)/python -m tests.mutants && $(BIN)/zava docs

lint: $(STAMP)  ## style, spelling, types, and which package may import which
	$(BIN)/codespell
	$(BIN)/codespell $(RETIRED) README.md CONTRIBUTING.md docs examples/ditto_queries.md
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo
	$(BIN)/mypy

bench: $(STAMP) $(VENV)/.installed-bench  ## the figures of docs/PERFORMANCE.md and COMPARISON.md, side by side, on embedded servers at full size
	$(BIN)/pytest suites/benchmarks --embedded -q --save-figures 'make bench'
	$(BIN)/zava docs

bench-tenfold: $(STAMP)  ## the same whole job on ten times the data: five to thirty minutes, 10 GB of disk
	$(BIN)/pytest 'suites/benchmarks/test_load.py::test_many_times_the_data[10]' -m soak --embedded -q --save-figures 'make bench-tenfold'
	$(BIN)/zava docs

docs: $(STAMP)  ## regenerate docs/DATA_MODEL.md, docs/RULES.md, docs/API.md, and the tables of docs/figures/ in the pages
	$(BIN)/zava docs

clean:  ## remove what make made (the embedded server's data stays in the user's cache)
	rm -rf $(VENV) reports/* .pytest_cache .mypy_cache .import_linter_cache .ruff_cache .hypothesis .benchmarks build *.egg-info

install: $(VENV)/.installed-all  ## the project and what running it needs, at the locked versions

upgrade: $(VENV)/bin/pip  ## renew the lock files: requirements/*.txt, and the package-lock.json of the npm tools
	$(PIP) '$(UV)'
	$(COMPILE) --all-extras --output-file $(VENV)/all.txt
	for lock in $(LOCKS); do \
	  $(COMPILE) --extra build $$([ $$lock = core ] || echo --extra $$lock) --constraints $(VENV)/all.txt \
	    --generate-hashes --output-file requirements/$$lock.txt || exit; done
	for folder in $(NPM_FOLDERS); do rm -f $$folder/package-lock.json && npm install --prefix $$folder $(NPM_LOCK) || exit; done

$(VENV)/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python >= 3.11 is needed, $$($(PYTHON) --version) was found: apt-get install python3.11 python3.11-venv, then make PYTHON=python3.11"; exit 2; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "Python's venv module is missing: apt-get install python3-venv"; exit 2; }
	$(PYTHON) -m venv $(VENV)

# The lock file is complete, so pip resolves nothing; the build backend is in it too, so nothing else is downloaded.
$(VENV)/.installed-%: requirements/%.txt pyproject.toml | $(VENV)/bin/pip
	$(PIP) --no-deps --no-build-isolation --require-hashes --requirement $<
	$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@
