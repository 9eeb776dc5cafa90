"""No code and no sentence comes out of a run that `codes.py` or docs/errors.md does not know.

They are looked for in the source, where no path can hide one.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

from target_omnisend.errors import ExitCode
from target_omnisend.report.codes import EXITS, REJECTIONS, WARNINGS

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[3]
PACKAGE = ROOT / "target_omnisend"
ERRORS = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
INPUT_ERRORS = {
    "FileFault",
    "InvalidInputLine",
    "InvalidJSONSchema",
    "MissingKeyPropertiesError",
    "RecordsWithoutSchemaException",
}
PASSED_ON = {"code", "rejection.code"}
"""What stands for a code that another place gave."""


def _trees() -> Iterator[ast.Module]:
    for path in sorted(PACKAGE.rglob("*.py")):
        if "sandbox" not in path.parts:
            yield ast.parse(path.read_text(encoding="utf-8"))


def _calls(*names: str) -> Iterator[ast.Call]:
    """Calls of functions, methods and classes by their last name."""
    for tree in _trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in names:
                yield node


def _codes(given: ast.expr) -> set[str]:
    """The codes that an expression may give."""
    if ast.unparse(given) in PASSED_ON:
        return set()
    if isinstance(given, ast.IfExp):
        return _codes(given.body) | _codes(given.orelse)
    if isinstance(given, ast.BoolOp):
        return set[str]().union(*map(_codes, given.values))
    assert isinstance(given, ast.Constant), f"a code that nobody can look up: {ast.unparse(given)}"
    return {str(given.value)}


def _first(pair: ast.expr) -> ast.expr:
    assert isinstance(pair, ast.Tuple)
    return pair.elts[0]


def _text(node: ast.expr) -> str:
    """A text as docs/errors.md quotes it: with … for what differs."""
    if isinstance(node, ast.JoinedStr):
        return "".join(map(_text, node.values))
    return str(node.value) if isinstance(node, ast.Constant) else "…"


def _told(text: str) -> bool:
    """Whether docs/errors.md has what a sentence begins with, up to its reason or advice."""
    first = re.split(r"; | \(|\. ", text)[0]
    return first.strip("…:. ,") in ERRORS


def test_every_rejection_code_that_the_source_gives_is_listed_and_no_other() -> None:
    given = [call.args[0] for call in _calls("Rejection")]
    given += [
        k.value for call in _calls("add", "_reject") for k in call.keywords if k.arg == "code"
    ]
    for tree in _trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "code":
                given += [node.value] if isinstance(node.value, ast.BoolOp) else []
    assert set[str]().union(*map(_codes, given)) == set(REJECTIONS)


def test_every_warning_code_that_the_source_gives_is_listed_and_no_other() -> None:
    given = set[str]().union(*(_codes(call.args[0]) for call in _calls("LeftOut")))
    for tree in _trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "code":
                given |= _codes(node.value) if isinstance(node.value, ast.IfExp) else set()
    pairs = [call.args[0] for call in _calls("leave_out")]
    for one in pairs:
        if isinstance(one, ast.GeneratorExp):
            given |= _codes(_first(one.elt))
    assert given == set(WARNINGS)


def test_every_exit_code_is_listed_and_no_other() -> None:
    assert {int(code) for name in EXITS for code in name.split(", ")} == {*ExitCode, 130, 143}


def test_every_cause_and_cure_is_a_sentence() -> None:
    for code in (*REJECTIONS.values(), *WARNINGS.values(), *EXITS.values()):
        for text in code:
            assert re.fullmatch(r"[A-Z`][^|]*\.|See .*|Omnisend's own reason[^|]*", text), text


def test_every_sentence_that_ends_a_run_is_told() -> None:
    sentences = [_text(call.args[1]) for call in _calls("RunFailed")]
    for tree in _trees():  # those that stand in a table
        for node in ast.walk(tree):
            if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "_FATAL":
                assert isinstance(node.value, ast.Dict)
                sentences += map(_text, node.value.values)
    assert len(sentences) > 20
    assert [text for text in sentences if not _told(text)] == []


def test_every_fault_of_an_input_line_is_told() -> None:
    texts = [_text(call.args[0]) for call in _calls(*INPUT_ERRORS)]
    assert len(texts) > 8
    assert [text for text in texts if not _told(text)] == []
