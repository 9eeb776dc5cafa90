#!/usr/bin/env bash
# Lint and tests: scripts/test.sh [options of nox, as in -s tests -- -k mapping]
set -euo pipefail
exec "$(dirname "${BASH_SOURCE[0]}")/nox.sh" "$@"
