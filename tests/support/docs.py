"""The fenced blocks of the documentation, and a reader who does what they say.

A comment of its own line above a block says what is to be done with it:

- ``<!-- file NAME -->``: the reader saves it under that name.
- ``<!-- output -->``: the command before prints these lines; ``…`` stands for anything.
- ``<!-- exit code N -->``: the block ends with that code, and not with 0.
- ``<!-- in another terminal -->``: it goes on until the page ends.
- ``<!-- run by PATH, PATH -->``: those files, tests or scripts of CI, run it.
- ``<!-- needs an account -->``: nobody can run it here.
- ``<!-- examples/PATH -->``: it is that file; tests/schedulers runs it.

A block of commands without one is run.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import textwrap
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

ROOT = Path(__file__).resolve().parents[2]
PAGES = tuple(
    str(path.relative_to(ROOT))
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/**/*.md")))
)
COMMANDS = frozenset({"sh", "bash", "shell", "console"})
USUAL_PORT = "8765"
NOTHING: Mapping[str, str] = MappingProxyType({})
SANDBOX = f"target-omnisend-sandbox --port {USUAL_PORT}"

_BLOCK = re.compile(
    r"(?P<marks>(?:^ *<!-- [^\n]* -->\n)*)^(?P<indent> *)```(?P<language>[^\n`]*)\n"
    r"(?P<text>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)
_RUN_ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{8}")


@dataclass(frozen=True)
class Block:
    """A fenced block, and the comments above it."""

    page: str
    line: int
    language: str
    text: str
    marks: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    def mark(self, start: str) -> str | None:
        """What a mark says after its first words; None if the block has no such mark."""
        found = (mark.removeprefix(start).strip() for mark in self.marks if mark.startswith(start))
        return next(found, None)

    @property
    def runners(self) -> list[str]:
        """The files that run it in the reader's place."""
        return (self.mark("run by ") or "").replace(",", " ").split()

    @property
    def commands(self) -> list[str]:
        """Its lines, without comments."""
        lines = (re.sub(r"(^|\s)#.*", "", line).strip() for line in self.text.splitlines())
        return [line for line in lines if line]

    def is_for(self, runner: str | None) -> bool:
        """Whether a runner that marks name runs it; None is the reader of the whole page."""
        if runner:
            return runner in self.runners
        elsewhere = ("run by ", "needs an account", "examples/")
        return self.language in COMMANDS and all(self.mark(one) is None for one in elsewhere)


def blocks_of(page: str) -> list[Block]:
    """The blocks of a page, in order."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return [
        Block(
            page,
            text.count("\n", 0, found.start("language")) + 1,
            found["language"].strip(),
            textwrap.dedent(found["text"]),
            tuple(re.findall(r"<!-- (.*?) -->", found["marks"])),
        )
        for found in _BLOCK.finditer(text)
    ]


class Reader:
    """Does what a page says in a folder, with a local Omnisend that is this page's alone."""

    def __init__(
        self,
        folder: Path,
        *,
        runner: str | None = None,
        stand_ins: Mapping[str, str] = NOTHING,
        variables: Mapping[str, str] = NOTHING,
    ) -> None:
        """Start in a folder; `stand_ins` are put in the place of what only the reader has."""
        self._folder = folder
        self._runner = runner
        self._port = _free_port()
        self._stand_ins = {USUAL_PORT: self._port, **stand_ins}
        self._variables = {name: self._of_mine(value) for name, value in variables.items()}
        self._has_run = False
        self._printed = ""
        self._others = ExitStack()

    def read(self, blocks: Sequence[Block], look: Callable[[str], object] = str) -> None:
        """Do all of it; raises AssertionError where it does not do what the page says.

        At the end `look` gets the address of the local Omnisend.
        """
        with self._others:
            if not any(SANDBOX in block.text and block.is_for(self._runner) for block in blocks):
                self._start(SANDBOX)
            for block in blocks:
                self._do(block)
            look(f"http://127.0.0.1:{self._port}")

    def save(self, name: str, text: str) -> None:
        """Save a file."""
        (self._folder / name).write_text(self._of_mine(text), encoding="utf-8")

    def _do(self, block: Block) -> None:
        name = block.mark("file ")
        if name:
            self.save(name, block.text)
        elif block.mark("output") is not None and self._has_run:
            for line in block.text.splitlines():
                found = re.search(_pattern(self._of_mine(line)), _RUN_ID.sub("ID", self._printed))
                assert found, f"{block}: {line!r} is not in\n{self._printed}"
        elif not block.is_for(self._runner):
            self._has_run = False
        elif block.mark("in another terminal") is not None:
            self._start(block.text)
        else:
            self._run(block)
            self._has_run = True

    def _run(self, block: Block) -> None:
        done = subprocess.run(
            ["/bin/bash", "-euo", "pipefail", "-c", self._of_mine(block.text)],
            **self._place,  # type: ignore[call-overload]
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._printed = done.stdout
        expected = int(block.mark("exit code ") or 0)
        assert done.returncode == expected, f"{block}: {done.returncode}\n{done.stdout}"

    def _start(self, command: str) -> None:
        program, *rest = self._of_mine(command.split("#", maxsplit=1)[0]).split()
        self._others.enter_context(_running([program, *rest], self._place))
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", int(self._port))) == 0:
                    return
            time.sleep(0.05)
        raise AssertionError(f"{command}: nobody listens")

    def _of_mine(self, text: str) -> str:
        for theirs, mine in self._stand_ins.items():
            text = text.replace(theirs, mine)
        return text

    @property
    def _place(self) -> dict[str, object]:
        programs = [str(self._folder / "stand-ins"), str(Path(sys.executable).parent)]
        known = {k: v for k, v in os.environ.items() if not k.startswith("TARGET_")}
        path = os.pathsep.join([*programs, known["PATH"]])
        return {"cwd": self._folder, "env": {**known, **self._variables, "PATH": path}}


@contextmanager
def _running(command: list[str], place: dict[str, object]) -> Iterator[None]:
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, **place) as process:  # type: ignore[call-overload]
        try:
            yield
        finally:
            process.terminate()


def _pattern(line: str) -> str:
    return ".*?".join(re.escape(part) for part in _RUN_ID.sub("ID", line.strip()).split("…"))


def _free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])
