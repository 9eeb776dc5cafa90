#!/usr/bin/env bash
# Lint, tests and the end-to-end test: scripts/test.sh [options of nox, as in -s tests -- -k mapping]
set -euo pipefail
exec "$(dirname "${BASH_SOURCE[0]}")/nox.sh" "$@"
