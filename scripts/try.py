"""Send the sample segment to a local Omnisend with Meltano, and say what arrived.

Run it as `scripts/try.sh`, which makes the environment that it needs.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import requests

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
REJECTS = ROOT / "output" / "rejects"
KEY = "sandbox-key"
TAG = "VIP customers"
USUAL_PORT = 8765


def main() -> int:
    """Run the sample through; the exit code is Meltano's."""
    parser = argparse.ArgumentParser(prog="scripts/try.sh", description=__doc__)
    parser.add_argument("--meltano", default="meltano", help=argparse.SUPPRESS)
    parser.add_argument("--keep", action="store_true", help="leave the local Omnisend running")
    asked = parser.parse_args()
    with sandbox() as site:
        say(f"A local Omnisend listens on {site}/")
        before = set(REJECTS.glob("*.jsonl"))
        if code := run_meltano(asked.meltano, site):
            say(f"Meltano ended with exit code {code}; its reasons are above.")
            return code
        say("", "What arrived", *arrived(site), *rejected(set(REJECTS.glob("*.jsonl")) - before))
        if asked.keep:
            say(f"Look at it: {site}/ (Ctrl-C ends it)")
            wait_for_interrupt()
        else:
            say("To look at it in a browser: scripts/try.sh --keep")
    return 0


def say(*lines: str) -> None:
    """Print at once, so that lines keep their place among those of other programs."""
    print(*lines, sep="\n", flush=True)


@contextmanager
def sandbox() -> Iterator[str]:
    """Run the local Omnisend, on the port that `meltano.yml` names if it is free; its address."""
    for port in (USUAL_PORT, 0):
        command = [sys.executable, "-m", "omnisend_sandbox", "--port", str(port)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            # It says where it listens once it does, and ends without a line when it cannot.
            found = re.search(r"http://\S+", server.stdout.readline()) if server.stdout else None
            if found:
                try:
                    yield found[0]
                finally:
                    server.terminate()
                return
    raise SystemExit("The local Omnisend did not start.")


def run_meltano(meltano: str, site: str) -> int:
    """Install the plugins and run the sample; returns Meltano's exit code."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("TARGET_OMNISEND_")}
    # These win over a developer's .env, which may hold a real key.
    environment |= {
        "TARGET_OMNISEND_API_URL": f"{site}/api",
        "TARGET_OMNISEND_API_KEY": KEY,
        "TARGET_OMNISEND_DATA_PRIVACY_CONSENT": "true",
        "TARGET_OMNISEND_SEGMENT": TAG,
    }
    say("Installing the tap and the target for Meltano …")
    install = subprocess.run(
        [meltano, "install"],
        cwd=ROOT,
        env=environment,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if install.returncode:
        say(install.stdout)
        return install.returncode
    # A full refresh, because the local Omnisend is new and empty each time.
    run = ["--environment=sandbox", "run", "--full-refresh", "tap-jsonl", "target-omnisend"]
    say(f"meltano {' '.join(run)}")
    return subprocess.run([meltano, *run], cwd=ROOT, env=environment, check=False).returncode


def arrived(site: str) -> list[str]:
    """What the local Omnisend holds, in sentences."""
    state = requests.get(f"{site}/_sandbox/state", timeout=30).json()
    contacts = state["contacts"]
    tagged = sum(TAG in contact["tags"] for contact in contacts)
    consent = Counter(contact["status"] for contact in contacts)
    return [
        f"  {len(contacts)} contacts, {tagged} of them tagged '{TAG}'",
        f"  e-mail consent: {counts(consent)}",
        f"  welcome messages sent: {len(state['welcomeMessages'])}",
    ]


def rejected(files: set[Path]) -> list[str]:
    """Counts of rejected records by code, and where they are, in sentences."""
    codes: Counter[str] = Counter()
    for file in files:
        with file.open(encoding="utf-8") as lines:
            messages = [json.loads(line) for line in lines]
        codes.update(m["rejection"]["code"] for m in messages if m["type"] == "RECORD")
    where = [f"  in {file.relative_to(ROOT)}" for file in sorted(files)]
    return [f"  {codes.total()} records rejected: {counts(codes)}", *where] if codes else []


def counts(counter: Counter[str]) -> str:
    """`6 email_invalid, 4 email_missing`."""
    return ", ".join(f"{number} {name}" for name, number in counter.most_common())


def wait_for_interrupt() -> None:
    """Return at Ctrl-C or SIGTERM."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        signal.pause()
    except KeyboardInterrupt:
        say("")


if __name__ == "__main__":
    sys.exit(main())
