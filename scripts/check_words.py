"""Find the words that the documentation, the log and the source avoid.

The glossary (docs/glossary.md) has one word for each thing. This check covers prose: pages of the
documentation, docstrings, comments and strings. It skips code, in a page and between backquotes.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).resolve().parent.parent
PAGES = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "docs", "sample")
PACKAGES = ("target_omnisend", "omnisend_sandbox")

AVOIDED: Mapping[str, str] = {
    r"whom|whoever": "name the thing: the record, the member, the run",
    r"nobody|somebody": "name the thing: no member, another program, the operator",
    r"shall": "'must' or the present tense",
    r"tells?|told|telling": "'say', 'show', 'report' or 'name'",
    r"mend(?:s|ed|ing)?": "'correct'",
    r"brings?|brought|bringing": "'send', 'read' or 'contain'",
    r"refus(?:e|es|ed|ing|als?)": "'reject' for a record, 'forbid' for a call",
    r"merge[sd]?|merging": "'duplicate', 'combine' or 'join'",
    r"(?:is|are|was|were) no(?! (?:longer|more))": "'is not a'",
    r"(?:is|are|was|were) (?-i:none)": "'is not one of'",
    r"hurr(?:y|ies|ied|ying)": "'early' or 'at once'",
    r"leavers?": "'a member that left'",
    r"sift(?:s|ed|ing)?": "'split' or 'filter'",
}
BECAUSE = re.compile(r"[,;(:] since\b|(?:^|[.?!] )Since\b")
"""`since` that gives a reason; `since` of a moment is right."""
_WORDS = re.compile("|".join(rf"\b(?:{words})\b" for words in AVOIDED), re.IGNORECASE)

ALLOWED: Mapping[str, tuple[str, ...]] = {
    # The ledger's column; a new name would need a new version of the ledger.
    "target_omnisend/ledger/schema.py": ("bringing",),
    # The names of attributes and arguments.
    "target_omnisend/commands/closing.py": ("tell: ",),
    "target_omnisend/delivery/model.py": ("merged",),
    "target_omnisend/signals.py": ("hurried: ",),
}
"""Text that stays, by file, each with its reason."""


class Find(NamedTuple):
    """One avoided word."""

    path: str
    line: int
    word: str
    cure: str

    def __str__(self) -> str:
        """A line for the terminal."""
        return f"{self.path}:{self.line}: '{self.word}': write {self.cure}"


def finds() -> Iterator[Find]:
    """Every avoided word of the project, except those that are allowed."""
    for path in _files():
        name = path.relative_to(ROOT).as_posix()
        prose = _python if path.suffix == ".py" else _markdown
        for line, text in prose(path.read_text(encoding="utf-8")):
            yield from _in_text(name, line, text)


def main() -> int:
    """Print each avoided word; exit code 1 if there is one."""
    found = list(finds())
    for find in found:
        print(find)
    return 1 if found else 0


def _files() -> Iterator[Path]:
    for name in PAGES:
        page = ROOT / name
        yield from sorted(page.rglob("*.md")) if page.is_dir() else [page]
    for name in PACKAGES:
        yield from sorted((ROOT / name).rglob("*.py"))


def _in_text(path: str, line: int, text: str) -> Iterator[Find]:
    for allowed in ALLOWED.get(path, ()):
        text = text.replace(allowed, "")
    plain = re.sub(r"`[^`]*`", "`x`", text)
    for found in (*_WORDS.finditer(plain), *BECAUSE.finditer(plain)):
        at = line + plain.count("\n", 0, found.start())
        yield Find(path, at, found[0].strip(" ,;:(.?!"), _cure(found[0]))


def _cure(word: str) -> str:
    for words, cure in AVOIDED.items():
        if re.fullmatch(words, word, re.IGNORECASE):
            return cure
    return "'because'"


def _markdown(text: str) -> Iterator[tuple[int, str]]:
    """A page without blocks of code, addresses of links and comments."""
    plain = re.sub(r"^( *)```.*?^\1```|<!--.*?-->", _blank, text, flags=re.DOTALL | re.MULTILINE)
    yield 1, re.sub(r"\]\([^)\s]*\)", "]", plain)


def _blank(found: re.Match[str]) -> str:
    return "\n" * found[0].count("\n")


def _python(text: str) -> Iterator[tuple[int, str]]:
    """Comments and strings of a module."""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


if __name__ == "__main__":
    sys.exit(main())
