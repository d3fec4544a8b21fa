# Suitewatch needs Python 3.11 or newer and make; everything else is installed below .venv.

SHELL = /bin/sh
VENV = .venv
UV_VENV = $(VENV)/uv
UV_VERSION = 0.13.8
UV_COMPILE = $(UV_VENV)/bin/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-header --no-annotate -q
PIP_INSTALL = $(VENV)/bin/python -m pip install -q -q --disable-pip-version-check --no-input --require-hashes
BROWSER_FLAGS = --yes --no-install-recommends
JOBS = 2

.DEFAULT_GOAL = help
.PHONY: help up test faults lint bench bench-scale demo-data lock setup venv app dev browser
.SILENT:

help:  ## Show what you can do here
	echo "make TARGET, where TARGET is one of:"
	sed -n 's/^\([a-z-]*\):.*  ## \(.*\)$$/  \1 \2/p' $(firstword $(MAKEFILE_LIST)) | awk '{n=$$1; $$1=""; printf "  %-12s%s\n", n, $$0}'

up: app  ## Run Suitewatch with the demo; PORT=8001 chooses another port
	$(VENV)/bin/python manage.py up $(if $(PORT),--port $(PORT)) $(ARGS)

test: dev browser  ## Run every test, in a real browser too; ARGS="-k words" chooses some
	$(VENV)/bin/python -m pytest -n $(JOBS) --dist loadgroup $(ARGS)

faults: dev  ## Run every fault test: killed, frozen and cut-off processes; takes some minutes
	$(VENV)/bin/python -m pytest --faults=all -m fault tests/journeys $(ARGS)

lint: dev  ## Check style, types and who imports whom
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

bench: dev  ## Measure speed beside peers; prints ratios
	$(VENV)/bin/python -m benchmarks $(ARGS)

bench-scale: dev  ## Measure every page over 100 million results; RESULTS=5000000 makes it smaller
	$(VENV)/bin/python -m benchmarks --only scale $(if $(RESULTS),--results $(RESULTS)) $(ARGS)

demo-data: dev  ## Make the demo's files again; ARGS names the folder of the recorded runs
	$(VENV)/bin/python demo/make_demo.py $(ARGS)

lock:  ## Compile requirements/ again from pyproject.toml
	test -x $(UV_VENV)/bin/uv || { $(call find_python) && "$$python" -m venv $(UV_VENV); }
	$(UV_VENV)/bin/python -m pip install -q -q --disable-pip-version-check --no-input uv==$(UV_VERSION)
	UV_PYTHON_DOWNLOADS=never $(UV_COMPILE) -o requirements/production.txt
	UV_PYTHON_DOWNLOADS=never $(UV_COMPILE) --extra embedded -c requirements/production.txt -o requirements/app.txt
	UV_PYTHON_DOWNLOADS=never $(UV_COMPILE) --extra embedded --group dev -c requirements/app.txt -o requirements/dev.txt

setup: dev  ## Prepare for development: the environment and the hooks that run before a commit
	if [ -d .git ]; then $(VENV)/bin/pre-commit install; fi

# --- How the environment comes about -----------------------------------------------------------------------------

# Sets $python to the interpreter asked for by PYTHON, else to the first one that is new enough; or says what is missing.
define find_python
{ \
	python=; \
	for candidate in $(or $(PYTHON),python3 python3.14 python3.13 python3.12 python3.11 python); do \
		if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then python=$$candidate; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
		found=`$(or $(PYTHON),python3) --version 2>/dev/null || echo missing`; \
		echo "Suitewatch needs Python 3.11 or newer; $(or $(PYTHON),python3) is $$found. Name one: make PYTHON=/path/to/python" >&2; \
		exit 1; \
	fi; \
	if ! "$$python" -c 'import venv, ensurepip' 2>/dev/null; then \
		echo "$$python has no venv module; install it (Debian, Ubuntu: apt-get install python3-venv)." >&2; \
		exit 1; \
	fi; \
}
endef

# A folder that was moved, or whose Python is gone, is made anew.
venv:
	if ! $(VENV)/bin/python -m pip --version >/dev/null 2>&1; then \
		$(call find_python); \
		echo "Making $(VENV) with `$$python --version`"; \
		"$$python" -m venv --clear $(VENV); \
	fi

# A copy of the file that was installed tells whether it changed. What `dev` installs includes all of `app`.
app: venv
	cmp -s requirements/app.txt $(VENV)/app.txt || { \
		echo "Installing Python packages (once; takes a minute)"; \
		$(PIP_INSTALL) -r requirements/app.txt && cp requirements/app.txt $(VENV)/app.txt; \
	}

dev: venv
	cmp -s requirements/dev.txt $(VENV)/dev.txt || { \
		echo "Installing Python packages for tests and development (once; takes a minute)"; \
		$(PIP_INSTALL) -r requirements/dev.txt && cp requirements/dev.txt $(VENV)/dev.txt; \
	} && cp requirements/app.txt $(VENV)/app.txt

browser: dev
	if ! $(VENV)/bin/python -m tests.browser >/dev/null; then \
		if [ "`id -u`" != 0 ] || ! command -v apt-get >/dev/null; then \
			echo "The tests need a browser: install Chromium or Chrome (Debian: apt-get install chromium)." >&2; \
			exit 1; \
		fi; \
		echo "Installing Chromium"; \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq $(BROWSER_FLAGS) chromium >/dev/null; \
	fi
