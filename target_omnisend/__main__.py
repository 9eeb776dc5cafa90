"""`python -m target_omnisend`."""

from __future__ import annotations

from target_omnisend.target import TargetOmnisend

TargetOmnisend.cli()
