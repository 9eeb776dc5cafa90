"""The command as a process, and what every run of it has to keep, whatever its settings."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from support.processes import PIPE, start
from target_omnisend.waits import SPEED_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

KEY = "sandbox-key"
SETTINGS: dict[str, Any] = {
    "api_key": KEY,
    "data_privacy_consent": True,
    "mapping": {"email": "email"},
    "segment": "VIP",
    "verify": "off",  # looking costs a run more calls and seconds than most of them take
}
NO_VARIABLES: Mapping[str, str] = {}
LAW = ("accepted", "rejected", "duplicates", "unchanged", "skipped", "unconfirmed", "not_sent")
"""What can become of a record: each has one of these."""
SECONDS = 100.0
"""A run that hangs is found after so long; a slow machine and a busy one get there before."""


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
        """What the log says at level ERROR before its last line."""
        found = (re.search(r"\| ERROR +\| [^|]*\| (.*)", line) for line in self._lines[:-1])
        return [match[1] for match in found if match]

    @property
    def last(self) -> str:
        """The last line."""
        return next(reversed(self._lines), "")

    @property
    def _lines(self) -> list[str]:
        # A call under way at the end of a failed run is told at DEBUG, also after the last line.
        return [line for line in self.log.splitlines() if "| target-omnisend.api " not in line]

    @property
    def counts(self) -> Counter[str]:
        """The numbers of the summary by their names in the report."""
        summary = re.findall(r"(\d+ received, .*?);.* exit code (\d+)\b", self.log)
        assert len(summary) == 1, self.log
        assert int(summary[0][1]) == self.code
        plain = re.sub(r" \([^)]*\)", "", summary[0][0])
        parts = (part.partition(" ") for part in plain.replace("would be ", "").split(", "))
        return Counter({name.replace(" ", "_"): int(number) for number, _, name in parts})


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
        environment |= {"TARGET_OMNISEND_LOGLEVEL": "DEBUG"}
        environment |= {SPEED_VARIABLE: "50"} if text is None else {}  # it waits for that tap
        environment |= dict(variables)
        reading, writing = os.pipe()
        with start(
            *arguments,
            cwd=self.folder,
            env=environment,
            stdin=reading if text is None else PIPE,
            stdout=PIPE,
            stderr=PIPE,
        ) as process:
            try:
                out, log = process.communicate(text, timeout=SECONDS)
            finally:
                process.kill()
        os.close(reading)
        os.close(writing)
        ran = Ran(process.wait(), out.decode(), log.decode())
        self._keeps_its_promises(ran)
        return ran

    @staticmethod
    def _keeps_its_promises(ran: Ran) -> None:
        everything = ran.out + ran.log
        assert "Traceback" not in ran.log, ran.log
        assert KEY not in everything
        assert not re.search(r"member\d|@example\.com", everything), everything
        if " received, " in ran.last:
            counts = ran.counts
            assert counts["received"] == sum(counts[name] for name in LAW), ran.log
        if ran.code and "Usage:" not in ran.log:
            level = r"(\| ERROR +\| |\"level\":\"error\")"
            assert re.search(rf"{level}.*exit code {ran.code}\b", ran.last), ran.log

    def rejects(self) -> list[dict[str, Any]]:
        """Every message of every rejects file, in order."""
        return [
            json.loads(line)
            for file in sorted(self.rejects_path.glob("*.jsonl"))
            for line in file.read_bytes().splitlines()
        ]

    def rejections(self) -> Counter[str]:
        """Rejected records by code."""
        return Counter(m["rejection"]["code"] for m in self.rejects() if m["type"] == "RECORD")
