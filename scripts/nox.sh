#!/usr/bin/env bash
# Makes .venv with nox in it, once, and runs nox there: scripts/nox.sh [options of nox]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

stop() {
  echo "$1" >&2
  exit 1
}

if [[ ! -x .venv/bin/nox ]]; then
  python=${PYTHON:-python3}
  command -v "$python" >/dev/null ||
    stop "Python 3.11 or newer is needed, and there is no '$python' here. PYTHON=/path/to/python3 names another."
  "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    stop "Python 3.11 or newer is needed; '$python' is $("$python" --version 2>&1). PYTHON=/path/to/python3 names another."
  "$python" -c 'import ensurepip, venv' 2>/dev/null ||
    stop "Python's venv module is missing. On Debian or Ubuntu: apt-get install python3-venv"
  echo "Setting up .venv with nox, once …"
  "$python" -m venv .venv
  .venv/bin/python -m pip install --quiet --disable-pip-version-check 'nox[uv]>=2025.5.1'
fi
# Not .venv/bin/nox: the first line of a script cannot name a path with a space in it.
exec .venv/bin/python -m nox "$@"
