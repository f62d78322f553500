"""Finds members in a class's text that no kernel can have: C++ cannot tell the name of what makes a class not plain."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

__all__ = ["Member", "find_heap_members", "find_virtual_functions"]

_HEAP = re.compile(
    r"\bstd::(?:vector|string|basic_string|deque|list|forward_list|map|multimap|set|multiset|unordered_\w+|queue|stack|"
    r"priority_queue|unique_ptr|shared_ptr|weak_ptr|function|any|atomic\w*|mutex|thread|pair|tuple)\b"
)
_NO_MEMBER = re.compile(r"\s*(?:struct|class|enum|union|using|typedef|static|friend|template|constexpr|return)\b")


class Member(NamedTuple):
    """A declaration in a class.

    Attributes:
        text: on one line.
        file: name of its file.
        line: where it begins, from 1.
    """

    text: str
    file: str
    line: int


def find_heap_members(headers: Sequence[Path], class_name: str) -> list[Member]:
    """The members of this class whose types are not plain: most take memory from the heap.

    It reads text as people do and understands no C++: what comes out is a hint. ``class_name`` may also be another name
    of the class, given to it by ``using``.
    """
    return [
        member
        for member in _members(headers, class_name)
        if _HEAP.search(member.text) and not _NO_MEMBER.match(member.text) and "(" not in member.text.partition("=")[0]
    ]


def find_virtual_functions(headers: Sequence[Path], class_name: str) -> list[Member]:
    """The virtual functions that this class declares itself."""
    return [member for member in _members(headers, class_name) if re.match(r"virtual\b", member.text)]


def _members(headers: Sequence[Path], class_name: str) -> Iterator[Member]:
    texts = [(header.name, header.read_text(errors="replace")) for header in headers]
    names = {class_name}
    for _, text in texts:
        alias = rf"\busing\s+{re.escape(class_name)}\s*=\s*(?:\w+::)*(\w+)\s*;"
        names.update(match[1] for match in re.finditer(alias, text))
    for file, text in texts:
        code = _without_comments(text)
        for match in re.finditer(rf"\b(?:class|struct)\s+(?:{'|'.join(map(re.escape, names))})\b[^;{{(]*{{", code):
            for start, end in _statements(code, match.end()):
                yield Member(" ".join(text[start:end].split()), file, code.count("\n", 0, start) + 1)


def _without_comments(text: str) -> str:
    """The text with comments made blank and quoted text made plain, at the same places."""

    def blank(found: re.Match[str]) -> str:
        return re.sub(r"[^\n]", " " if found[0].startswith("/") else "_", found[0])

    return re.sub(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"', blank, text, flags=re.S)


def _statements(code: str, start: int) -> Iterator[tuple[int, int]]:
    """Where each declaration of a class begins and ends; ``start``: of its body. A function ends at its brace."""
    depth, begin, brace = 1, start, 0
    for at in range(start, len(code)):
        character = code[at]
        if character == "{":
            depth += 1
            if depth == 2:
                brace = at
        elif character == "}":
            depth -= 1
            if depth == 0:
                return
            if depth == 1 and "(" in code[begin:brace]:
                yield _first(code, begin, brace), brace
                begin = at + 1
        elif depth == 1 and character == ";":
            yield _first(code, begin, at), at
            begin = at + 1
        elif depth == 1 and character == ":" and code[begin:at].strip() in {"public", "private", "protected"}:
            begin = at + 1


def _first(code: str, begin: int, end: int) -> int:
    """The first character of [begin, end) that is no space."""
    return end - len(code[begin:end].lstrip())
