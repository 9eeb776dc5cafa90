"""Every message of the target, read from its source: log lines and failure sentences.

docs/messages.txt shows them on one page, so that their wording can be reviewed there.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

import target_omnisend

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(target_omnisend.__file__).parent
HEAD = """\
Every message of target-omnisend, by module. `scripts/sync_docs.py` writes this page anew.
A message says what happened and what to do. … stands for what differs from run to run.
"""
SHOWN_ELSEWHERE = {"config/schema.py", "report/codes.py"}
"""Modules whose sentences are in docs/settings.md and docs/errors.md."""
LEVELS = {"debug": 0, "info": 0, "warning": 0, "error": 0, "exception": 0, "log": 1}
"""Methods of a logger, and the position of their message."""
FAILURES = {
    "RunFailed": 1,
    "FileFault": 0,
    "InvalidInputLine": 0,
    "InvalidJSONSchema": 0,
    "MissingKeyPropertiesError": 0,
    "RecordsWithoutSchemaException": 0,
    "UsageError": 0,
    "Rejection": 2,
}
"""Failures, and the position of their sentence."""
SENTENCE_WORDS = 4
"""Other texts are sentences if they have so many words and begin with a capital letter."""


class LogCall(NamedTuple):
    """A call that writes a line of the log."""

    module: str
    line: int
    sentence: str
    event: str | None


def page() -> str:
    """The page, whole."""
    blocks = [HEAD]
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        if name in SHOWN_ELSEWHERE:
            continue
        if messages := sorted(set(_messages(_tree(path)))):
            blocks.append("".join([f"## {name}\n", *(f"{text}\n" for text in messages)]))
    return "\n".join(blocks)


def log_calls() -> Iterator[LogCall]:
    """Every call of a logger of ours, with the name and the fields of its event."""
    for path in sorted(PACKAGE.rglob("*.py")):
        module = path.relative_to(PACKAGE).as_posix()
        for call in _calls(_tree(path)):
            if _is_log_call(call):
                extra = next((k.value for k in call.keywords if k.arg == "extra"), None)
                sentence = text_of(call.args[LEVELS[_name(call)]])
                yield LogCall(module, call.lineno, sentence, _event(extra))


def events() -> dict[str, str]:
    """The events by name, each with the sentences of its lines."""
    found: dict[str, list[str]] = {}
    for call in log_calls():
        if call.event is not None:
            found.setdefault(call.event, []).append(call.sentence)
    return {name: " / ".join(dict.fromkeys(found[name])) for name in sorted(found)}


def main() -> int:
    """Print each line of the log that has no event; exit code 1 if there is one."""
    bare = [call for call in log_calls() if call.event is None]
    for call in bare:
        print(f"target_omnisend/{call.module}:{call.line}: give the line `extra=event(…)`")
    return 1 if bare else 0


def text_of(node: ast.expr) -> str:
    """A text as the page shows it: with … for what differs."""
    if isinstance(node, ast.JoinedStr):
        return "".join(map(text_of, node.values))
    return str(node.value) if isinstance(node, ast.Constant) else "…"


def _messages(tree: ast.Module) -> Iterator[str]:
    """The sentences of a module: what logs and failures get, and other whole sentences."""
    for call in _calls(tree):
        position = LEVELS.get(_name(call)) if _is_log_call(call) else FAILURES.get(_name(call))
        if position is not None and len(call.args) > position:
            text = text_of(call.args[position])
            if text.strip("…%s: "):
                yield text
    yield from _other_sentences(tree)


def _other_sentences(tree: ast.Module) -> Iterator[str]:
    """Sentences that a function makes and another one logs or raises."""
    plain = _without_docstrings(tree)
    for node in plain:
        text = text_of(node)
        if len(text.split()) >= SENTENCE_WORDS and (text[0].isupper() or text[0] == "'"):
            yield text.replace("\n", " ").strip()


def _without_docstrings(tree: ast.Module) -> Iterator[ast.expr]:
    """Texts outside of docstrings, each as a whole."""
    below: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            below.add(node.value)
        if isinstance(node, ast.JoinedStr):
            below.update(node.values)
    for node in ast.walk(tree):
        is_text = isinstance(node, ast.JoinedStr) or (
            isinstance(node, ast.Constant) and isinstance(node.value, str)
        )
        if is_text and node not in below:
            yield cast("ast.expr", node)


def _event(extra: ast.expr | None) -> str | None:
    """The name that an `extra=event("name", …)` gives; it stands in the call itself."""
    if isinstance(extra, ast.Call) and _name(extra) == "event" and extra.args:
        return text_of(extra.args[0])
    return None


def _is_log_call(call: ast.Call) -> bool:
    function = call.func
    if not (isinstance(function, ast.Attribute) and function.attr in LEVELS):
        return False
    return ast.unparse(function.value).split(".")[-1] == "logger"


def _calls(tree: ast.Module) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield node


def _name(call: ast.Call) -> str:
    return ast.unparse(call.func).split(".")[-1]


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


if __name__ == "__main__":
    sys.exit(main())
