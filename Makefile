# Every target sets up what it needs. PYTHON=python3.12 chooses another interpreter (3.11 to 3.13).
PYTHON ?= python3
BIN := .venv/bin
ARGS ?=

.PHONY: report test lab app lint clean lock example ewalk bench faults torture

report: .venv/.installed
	$(BIN)/python -m gaitlib report $(ARGS)

test: .venv/.installed
	$(BIN)/python -m pytest $(ARGS)

lab: .venv/.installed
	$(BIN)/jupyter lab notebooks

# The first notebook as a page: give it a video, get a verdict. Kernels end a minute after their page.
app: .venv/.installed
	$(BIN)/voila notebooks/00_start_here.ipynb --MappingKernelManager.cull_idle_timeout=60 \
	  --MappingKernelManager.cull_interval=15 $(ARGS)

lint: .venv/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/nbstripout --verify --keep-id --extra-keys "metadata.papermill cell.metadata.papermill" notebooks/*.ipynb notebooks/solutions/*.ipynb

# Removes the environment and the tools' leftovers; videos, reports and the cache stay.
clean:
	rm -rf .venv .pytest_cache .ruff_cache .mypy_cache build dist *.egg-info
	find gaitlib tests -name __pycache__ -type d -exec rm -rf {} +

# Says what is supported before it downloads anything.
.venv/.installed: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v <= (3, 13) else "Python %d.%d is not supported: run make PYTHON=python3.12 (3.11 to 3.13)." % v)'
	@$(PYTHON) -c 'import platform, sys; sys.exit("Intel Macs are not supported: TensorFlow no longer builds for them. Use Linux, Windows or Apple silicon." if (platform.system(), platform.machine()) == ("Darwin", "x86_64") else None)'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	$(BIN)/python -m gaitlib weights || true
	touch $@

# Renews the exact versions in requirements.txt from pyproject.toml (needs uv).
lock:
	{ echo '# Exact versions for Python 3.11 to 3.13, renewed by "make lock"; the first line is the project itself.'; \
	  echo '-e .'; \
	  uv pip compile --universal --python-version 3.11 --extra dev --extra cluster --no-header --no-annotate pyproject.toml; } > requirements.new
	mv requirements.new requirements.txt

# Makes docs/result.png and the README's scores from the synthetic walkers.
example: .venv/.installed
	$(BIN)/python -m gaitlib report --out reports/example $(ARGS)
	$(BIN)/python docs/make_example.py reports/example

# Writes docs/ewalk.md from the EWalk videos: make ewalk ARGS="--videos FOLDER --ratings SHEET".
ewalk: .venv/.installed
	$(BIN)/python docs/make_ewalk.py $(ARGS)

# Slow chains: damaged films, counted by what reading them comes to; a training killed again and again.
faults torture: .venv/.installed
	$(BIN)/python tests/$@.py $(ARGS)

# Prints speeds and memory with the machine and versions; ARGS="--write FILE" writes them as a page.
bench: .venv/.installed
	$(BIN)/python -m benchmarks $(ARGS)
