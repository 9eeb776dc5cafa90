#!/usr/bin/env bash
# Sends the sample segment to a local Omnisend with Meltano and shows what arrived: scripts/try.sh [--keep]
set -euo pipefail
exec "$(dirname "${BASH_SOURCE[0]}")/nox.sh" --session try -- "$@"
