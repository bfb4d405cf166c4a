# The commands of README. `make install` needs gcc and Python 3.10 or later with its headers, nothing else.
PYTHON ?= python3
VENV ?= .venv

.PHONY: install rebuild test benchmark docs lint

# A virtual environment with LSF in it, then the demo.
install:
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install -q --upgrade pip
	$(VENV)/bin/pip install -q .
	$(VENV)/bin/lsfctl demo

# After an edit: the tables, the extensions and the shim image, in place.
rebuild:
	$(VENV)/bin/pip install -q "setuptools>=77" "Cython>=3.0,<4" pyelftools
	$(VENV)/bin/python setup.py -q build_ext --inplace

# The tests run against what was installed, from outside the tree.
test:
	$(VENV)/bin/pip install -q ".[test]"
	cd tests && ../$(VENV)/bin/python -m pytest -q -p no:cacheprovider .

benchmark:
	$(VENV)/bin/pip install -q ".[test]"
	cd benchmarks && ../$(VENV)/bin/python -m pytest -q -p no:cacheprovider --benchmark-only --benchmark-columns=median,stddev,rounds --benchmark-json=../benchmark.json .

docs:
	$(VENV)/bin/python -m lsf.freebsd.report > docs/syscalls.md
