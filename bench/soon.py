"""A tap that never pauses, and the time that its states take."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from bench import tools

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STEP = 0.1
"""Seconds between two states."""

PART = 10
"""Records between them."""


def delays(config: Path, seconds: int) -> list[float]:
    """Seconds from each state that goes in to the first one, as new or newer, that comes out."""
    process = subprocess.Popen(
        [sys.executable, "-m", "target_omnisend", "--config", str(config)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdin is not None
    emitted: list[tuple[int, float]] = []
    listening = threading.Thread(target=_listen, args=(process.stdout, emitted))
    listening.start()
    said: list[float] = []
    start = time.monotonic()
    process.stdin.write(tools.schema_line())
    for step in range(int(seconds / STEP)):
        process.stdin.writelines(_messages(step))
        process.stdin.flush()
        said.append(time.monotonic())
        time.sleep(max(0.0, start + (step + 1) * STEP - said[-1]))
    so_far = list(emitted)  # the end of the input hurries the others
    process.stdin.close()
    if process.wait():
        raise SystemExit(f"the target ended with {process.returncode}")
    listening.join()
    found: list[float] = []
    for value, at in so_far:
        found += [at - moment for moment in said[len(found) : value + 1]]
    return found


def _messages(step: int) -> Iterator[str]:
    for number in range(step * PART, (step + 1) * PART):
        record = tools.member(number)
        yield json.dumps({"type": "RECORD", "stream": "vip", "record": record}) + "\n"
    yield json.dumps({"type": "STATE", "value": {"step": step}}) + "\n"


def _listen(out: Any, emitted: list[tuple[int, float]]) -> None:
    emitted.extend((json.loads(line)["step"], time.monotonic()) for line in out)
