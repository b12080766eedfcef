# Needs Python 3.11 or later and make; everything else is set up in .venv. CONTRIBUTING.md says what each target is for.
PYTHON = python3
RUN = .venv/bin/python
IMAGE = nx-report
PIP_INSTALL = $(RUN) -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps
LOCK = .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes

.PHONY: demo test prove check bench bench-peers golden lock picture image

# What a failing build and its fix leave on a pull request. SERVE=1 keeps the page up.
demo: .venv/ready
	$(RUN) -m test.demo

# Side by side, as test/side_by_side.py shares them out.
test: .venv/ready
	$(RUN) -m pytest -q -n auto --maxprocesses 4 --max-worker-restart 0 --dist loadgroup $(ARGS)

# All interleavings that docs/one-comment.md has a table of (ARGS=--write writes it anew), and real processes at once.
prove: .venv/ready
	$(RUN) -m test.proof $(ARGS)
	$(RUN) -m test.proof.processes 100

check: .venv/ready
	$(RUN) -m ruff check
	$(RUN) -m ruff format --check
	$(RUN) -m mypy
	$(RUN) -m pytest -q test/integration/test_imports.py

bench: .venv/ready
	$(RUN) -m bench.run

# The same comment by the pipe and by danger, side by side on one Data Center. Needs Node and npm.
bench-peers: .venv/ready
	$(RUN) -m bench.peers

# What people read of each captured run, written anew: look at the difference before it is committed.
golden: .venv/ready
	WRITE_GOLDEN=1 $(RUN) -m pytest -q test/integration/test_golden.py test/unit/test_comment_steps.py \
	  test/unit/test_page.py

# The README's pictures, from what the sandbox shows.
picture: .venv/ready
	$(RUN) -m test.picture

image:
	docker build --tag $(IMAGE) .

# Newest versions, exact and with hashes.
lock: .venv/ready
	$(LOCK) --upgrade build-requirements.in -o build-requirements.txt
	$(LOCK) --upgrade requirements.in -o requirements.txt
	$(LOCK) --upgrade test/requirements.in -c requirements.txt -o test/requirements.txt

# Debian keeps what makes virtual environments in a package of its own.
.venv/ready: build-requirements.txt test/requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo 'Python 3.11 or later is needed (another one than "$(PYTHON)": make PYTHON=/path/to/python3).' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null \
	  || { [ "$$(id -u)" = 0 ] && apt-get update -qq >/dev/null \
	       && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3-venv >/dev/null 2>&1; } \
	  || { echo 'This Python cannot make a virtual environment. Run: sudo apt-get install -y python3-venv' >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(PIP_INSTALL) -r build-requirements.txt
	$(PIP_INSTALL) --no-build-isolation -r test/requirements.txt
	@touch $@
