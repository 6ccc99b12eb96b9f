# make demo | make test | make check | make bench | make image: each sets up what it needs first (.venv, Fashion-MNIST).
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check
READY  := $(VENV)/.ready
MKDOCS := NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# A process a core, each with one thread: threads that share cores wait for one another. Neighbouring tests stay in one process, which
# makes what they share once; a process that is done takes over tests of another.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal

# Where PYTHONDONTWRITEBYTECODE is set, each of the many processes that tests start would compile the package again, for 2 s.
COMPILE := $(BIN)/python -m compileall -q -j 0 src tests tools

.PHONY: demo test coverage check docs bench setup data browser image clean

demo: setup data
	$(BIN)/doldrum demo

test: setup data check browser
	$(COMPILE)
	$(PYTEST) --durations=10

# The same tests, a third slower, and which lines and branches they reach: where a process is started, only those of the first.
coverage: setup data browser
	$(COMPILE)
	$(PYTEST) --cov --cov-report=term:skip-covered

# What a reader relies on: style, types, imports that go one way, no dead link, figures in README and docs that are those of the
# records, no slip of the pen, and no word that has to be read twice.
check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/pyright
	$(MKDOCS) --quiet --site-dir $(VENV)/site
	$(BIN)/python tools/check-figures
	$(BIN)/codespell README.md CHANGELOG.md CONTRIBUTING.md SECURITY.md docs src
	$(BIN)/python tools/check-words

# The site, in site/index.html, and the studies' pages, which are built from their records where those or the code have changed; strict: a dead link or a page that is in no menu is an error.
docs: setup
	$(MKDOCS)

# Wants idle cores: about a quarter of an hour on two by estimate, and the extra `bench` for the rows of ART. Tables are printed; JSON is
# printed or left in bench-results/. What adaptive.py has written under bench-adaptive/ is not measured again.
bench: setup data
	$(PIP) install --quiet --constraint constraints.txt --editable '.[bench]'
	$(BIN)/python bench/measure.py --json bench-results/measure.json
	$(BIN)/python bench/engines.py --inputs 10 --json bench-results/engines.json
	$(BIN)/python bench/score.py --json bench-results/score.json
	$(BIN)/python bench/live.py --json bench-results/live.json
	$(BIN)/python bench/serve.py --json bench-results/serve.json
	$(BIN)/python bench/scale.py workers
	$(BIN)/python bench/scale.py memory 10000 1000000
	$(BIN)/python bench/adaptive.py --inputs 240 --truth 2000

setup: $(READY)

# torch comes first and by its exact version: that takes the CPU build where one is at hand.
$(READY): pyproject.toml constraints.txt tools/make-venv
	sh tools/make-venv $(PYTHON) $(VENV)
	$(PIP) install --quiet --constraint constraints.txt "$$(grep '^torch==' constraints.txt)"
	$(PIP) install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

# Never fails: where chromium can't be had, the tests in a browser are skipped.
browser:
	@sh tools/get-chromium

# Never fails: where there is no Debian package, doldrum downloads the files itself and checks them.
data:
	@sh tools/get-fashion-mnist

# Where Docker is: the image for audits without network, and a look at what it can do there.
image:
	docker build --tag doldrum .
	docker run --rm --network none --read-only --tmpfs /tmp --cap-drop ALL doldrum doctor

clean:
	rm -rf $(VENV) doldrum-demo
