"""The command as a process, and what every run of it has to keep, whatever its settings."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

KEY = "sandbox-key"
SETTINGS: dict[str, Any] = {
    "api_key": KEY,
    "data_privacy_consent": True,
    "mapping": {"email": "email"},
    "segment": "VIP",
}
NO_VARIABLES: Mapping[str, str] = {}
COUNTS = {
    "read": "received",
    "accepted": "accepted",
    "would be sent": "accepted",
    "refused": "rejected",
    "would be refused": "rejected",
    "duplicates merged": "duplicates",
    "unchanged": "unchanged",
    "skipped": "skipped",
    "removed": "removed",
    "would leave": "removed",
    "unconfirmed": "unconfirmed",
    "values left out": "warnings",
}


def schema(stream: str = "members", keys: Iterable[str] = (), **columns: Any) -> dict[str, Any]:
    """A SCHEMA message with an e-mail column and others, of any type unless given."""
    properties = {"email": {"type": ["string", "null"]}, **columns}
    return {
        "type": "SCHEMA",
        "stream": stream,
        "schema": {"type": "object", "properties": properties},
        "key_properties": list(keys),
    }


def record(email: str | None, stream: str = "members", **more: Any) -> dict[str, Any]:
    """A RECORD message."""
    return {"type": "RECORD", "stream": stream, "record": {"email": email, **more}}


def state(**value: Any) -> dict[str, Any]:
    """A STATE message."""
    return {"type": "STATE", "value": value}


def people(number: int, start: int = 0) -> list[dict[str, Any]]:
    """RECORD messages of so many people."""
    return [record(f"member{n}@example.com") for n in range(start, start + number)]


@dataclass(frozen=True)
class Ran:
    """One run of the command."""

    code: int
    out: str
    log: str

    @property
    def states(self) -> list[Any]:
        """The values of the STATE lines."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def errors(self) -> list[str]:
        """What the log says at level ERROR."""
        found = (re.search(r"\| ERROR +\| [^|]*\| (.*)", line) for line in self.log.splitlines())
        return [match[1] for match in found if match]

    @property
    def counts(self) -> Counter[str]:
        """The numbers of the summary by their names in the report."""
        summary = re.findall(r"(\d+ read, .*?);.* exit code (\d+)\b", self.log)
        assert len(summary) == 1, self.log
        assert int(summary[0][1]) == self.code
        plain = re.sub(r" \([^)]*\)", "", summary[0][0])
        parts = (part.partition(" ") for part in plain.split(", "))
        return Counter({COUNTS[name]: int(number) for number, _, name in parts})


class Command:
    """Runs the command against one API, in a folder of its own."""

    def __init__(self, folder: Path, api_url: str) -> None:
        self.folder = folder
        self.rejects_path = folder / "rejects"
        self._settings = {**SETTINGS, "api_url": api_url, "rejects_path": str(self.rejects_path)}

    def __call__(self, *messages: Any, **settings: Any) -> Ran:
        """Feed messages, each a JSON value or a line as bytes; a setting of None is left out."""
        lines = [m if isinstance(m, bytes) else json.dumps(m).encode() for m in messages]
        return self.run(
            "--config", self.config(**settings), text=b"".join(line + b"\n" for line in lines)
        )

    def config(self, **settings: Any) -> str:
        """Write the config file; its path."""
        path = self.folder / "config.json"
        merged = {k: v for k, v in {**self._settings, **settings}.items() if v is not None}
        path.write_text(json.dumps(merged))
        return str(path)

    def run(
        self, *arguments: str, text: bytes | None = b"", variables: Mapping[str, str] = NO_VARIABLES
    ) -> Ran:
        """Run it; with `text` None its standard input stays open and silent.

        Every run is one at level DEBUG.
        """
        environment = {k: v for k, v in os.environ.items() if not k.startswith("TARGET_OMNISEND")}
        environment |= {"TARGET_OMNISEND_LOGLEVEL": "DEBUG"} | dict(variables)
        reading, writing = os.pipe()
        with subprocess.Popen(
            [sys.executable, "-m", "target_omnisend", *arguments],
            cwd=self.folder,
            env=environment,
            stdin=reading if text is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            out, log = process.communicate(text, timeout=60)
        os.close(reading)
        os.close(writing)
        ran = Ran(process.returncode, out.decode(), log.decode())
        self._keeps_its_promises(ran)
        return ran

    @staticmethod
    def _keeps_its_promises(ran: Ran) -> None:
        everything = ran.out + ran.log
        assert "Traceback" not in ran.log, ran.log
        assert KEY not in everything
        assert not re.search(r"member\d|@example\.com", everything), everything
        if " read, " in ran.log:
            counts = ran.counts
            verdicts = ("accepted", "rejected", "duplicates", "unchanged", "skipped")
            settled = sum(counts[name] for name in verdicts)
            assert counts["received"] == settled + counts["unconfirmed"], ran.log

    def rejects(self) -> list[dict[str, Any]]:
        """Every message of every rejects file, in order."""
        return [
            json.loads(line)
            for file in sorted(self.rejects_path.glob("*.jsonl"))
            for line in file.read_bytes().splitlines()
        ]

    def rejections(self) -> Counter[str]:
        """Refused records by code."""
        return Counter(m["rejection"]["code"] for m in self.rejects() if m["type"] == "RECORD")
