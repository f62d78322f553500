"""Pages of the SDK's reference, made from its headers: the contract at a header's top, and what it declares.

A header is read as it is written here, not as C++ in general: comments are ``//`` lines above what they belong to,
names are declared in ``namespace fastvec``, and what is in ``namespace detail`` or private is nobody's business. Bodies
are left out; comments inside a class stay where they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_NAME = re.compile(
    r"#define\s+(?P<macro>\w+)|(?:struct|class|enum class|enum|concept)\s+(?:FASTVEC_\w+\s+)?(?P<type>\w+)"
    r"|using\s+(?P<alias>\w+)\s*=|(?P<function>[\w:~]+|operator\S+?)\s*\(|(?P<constant>\w+)\s*(?:=|\{|;)"
)
_CLASS = re.compile(r"^(?:template\s*<.*?>\s*)?(?:struct|class|enum class|enum)\b", re.DOTALL)


@dataclass
class Declaration:
    """One name with the comment above it, and its synopsis: the code without bodies."""

    name: str
    comment: str
    synopsis: str


@dataclass
class Header:
    """What a page shows."""

    path: str  # as it is included
    summary: str
    contract: str
    declarations: list[Declaration] = field(default_factory=list)


def read_header(file: Path) -> Header:
    """Read one header of ``cpp/include/fastvec``."""
    lines = file.read_text(encoding="utf-8").splitlines()
    top = 0
    while top < len(lines) and lines[top].startswith("//"):
        top += 1
    contract = [line[2:] for line in lines[:top]]
    first, *rest = "\n".join(contract).split("\n\n", 1)
    path, summary = " ".join(first.split()).split(": ", 1)
    header = Header(path, summary[0].upper() + summary[1:], rest[0] if rest else "")
    inside = lines[top:]
    seen: set[str] = set()
    for comment, code in _items(_without_detail(inside)):
        synopsis = _synopsis(code)
        found = _NAME.search(re.sub(r"^\s*template\s*<.*>\s*$", "", synopsis, flags=re.MULTILINE))
        if not comment or found is None or synopsis in seen:
            continue
        seen.add(synopsis)
        name = next(group for group in found.groups() if group).split("::")[-1]
        header.declarations.append(Declaration(name, "\n".join(comment), synopsis))
    return header


def as_page(header: Header) -> str:
    """The page in Markdown."""
    parts = [f"# {header.path}", _prose(header.summary), _prose(header.contract)]
    heading = ""
    for declaration in header.declarations:
        if declaration.name != heading:
            heading = declaration.name
            parts.append(f"## `{heading}`")
        parts += [_prose(declaration.comment), f"```cpp\n{declaration.synopsis}\n```"]
    return "\n\n".join(part for part in parts if part) + "\n"


def _without_detail(lines: list[str]) -> list[str]:
    """The lines outside of ``namespace detail``, of other namespaces' braces, and of what is for kernels only."""
    kept: list[str] = []
    end = None
    for line in lines:
        if end is None and re.match(r"namespace (\w+::)?detail\b", line):
            end = r"}  // namespace .*detail"
        elif end is None and line == "#if defined(FASTVEC_KERNEL)":
            end = r"#else|#endif"
        if end is None and not re.match(r"namespace |}  // namespace", line):
            kept.append(line)
        if end is not None and re.match(end, line):
            end = None
    return kept


def _items(lines: list[str]) -> Iterator[tuple[list[str], str]]:
    """Each comment with the declaration below it; declarations without one have an empty comment."""
    comment: list[str] = []
    at = 0
    while at < len(lines):
        line = lines[at]
        if line.startswith("// --"):  # a line between sections
            comment = []
        elif line.startswith("//"):
            comment.append(line[2:])
        elif line.startswith("#define FASTVEC_"):
            code = [line]
            while code[-1].endswith("\\"):
                at += 1
                code.append(lines[at])
            yield comment, "\n".join(code)
            comment = []
        elif not line.strip() or line.startswith("#"):
            if not line.startswith("#if"):
                comment = []
            while lines[at].endswith("\\"):
                at += 1
        else:
            code = [line]
            while not _is_whole("\n".join(code)):
                at += 1
                code.append(lines[at])
            yield comment, "\n".join(code)
            comment = []
        at += 1


def _bare(code: str) -> str:
    """The code with the inside of comments and literals blanked: of the same length, for counting brackets."""
    return re.sub(r"//[^\n]*|\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])'", lambda match: " " * len(match.group()), code)


def _is_whole(code: str) -> bool:
    bare = _bare(code)
    ends = bare.rstrip().endswith((";", "}"))
    return ends and all(bare.count(opening) == bare.count(closing) for opening, closing in ("{}", "()"))


def _synopsis(code: str) -> str:
    """A declaration without bodies; of a class, what is public."""
    if code.startswith("#define"):
        return code.partition("\\\n")[0].partition(")")[0].rstrip() + (")" if ")" in code.partition("\\\n")[0] else "")
    if _CLASS.match(code) and "{" in _bare(code):
        opening = _bare(code).index("{")
        closing = _bare(code).rindex("}")
        public = re.search(r"\bclass\b", re.sub(r"template\s*<.*?>|enum class", "", code[:opening])) is None
        members = _members(code[opening + 1 : closing], public=public)
        return f"{code[: opening + 1]}\n{members}\n{code[closing:].strip()}"
    return _without_body(code)


def _without_body(code: str) -> str:
    """A function's declaration up to its body or initialisers; other code as it is."""
    bare, depth = _bare(code), 0
    has_parameters = False
    for at, character in enumerate(bare):
        if character == "(":
            depth += 1
        elif character == ")":
            depth -= 1
            has_parameters |= depth == 0
        elif depth == 0 and has_parameters and re.match(r"\{|\s:\s|\srequires\s", bare[at:]):
            return code[:at].rstrip() + ";"
    return code.rstrip()


def _members(body: str, *, public: bool) -> str:
    """The public members of a class, with their comments, without their bodies; ``public``: are the first ones?"""
    kept: list[str] = []
    lines = body.strip("\n").splitlines()
    at = 0
    while at < len(lines):
        line = lines[at]
        if re.fullmatch(r"\s*(public|private|protected):", line):
            public = line.strip() == "public:"
        elif line.lstrip().startswith("//") or not line.strip() or line.startswith("#"):
            kept += [line] if public and not line.startswith("#") else []
        else:
            code = [line]
            # A body may follow what is whole without it: `requires requires(...) {...;}`.
            while at + 1 < len(lines) and (not _is_whole("\n".join(code)) or lines[at + 1].strip() == "{"):
                at += 1
                code.append(lines[at])
            if public:
                kept.append(_without_body("\n".join(code)))
        at += 1
    return re.sub(r"\n{3,}", "\n\n", "\n".join(kept)).rstrip()


def _prose(comment: str) -> str:
    """A comment as Markdown: what is set in by two columns or more, or by six in a list, is code."""
    out: list[str] = []
    code: list[str] = []
    in_list = False

    def end_code() -> None:
        while code and not code[-1].strip():
            code.pop()
        if not code:
            return
        margin = min(len(line) - len(line.lstrip()) for line in code if line.strip())
        language = "cpp" if any(mark in "".join(code) for mark in ";{}#") else "text"
        set_in = "    " if in_list else ""
        block = [f"```{language}", *(line[margin:] for line in code), "```"]
        out.extend(["", *(f"{set_in}{line}".rstrip() for line in block), ""])
        code.clear()

    for raw in comment.splitlines():
        line = raw.removeprefix(" ").rstrip()
        indent = len(line) - len(line.lstrip())
        item = re.match(r" ?- (.*)", line) if indent < 2 else None
        if not line:
            (code if code else out).append("")
        elif item:
            end_code()
            out += ["", f"- {_escaped(item[1])}"] if not in_list else [f"- {_escaped(item[1])}"]
            in_list = True
        elif indent >= (6 if in_list else 2):
            code.append(line)
        else:
            end_code()
            in_list = in_list and indent >= 2
            out.append(("    " if in_list else "") + _escaped(line.strip()))
    end_code()
    return re.sub(r"\n{3,}", "\n\n", "\n".join(out)).strip()


def _escaped(line: str) -> str:
    """Text in which nothing but backquotes means anything to Markdown."""
    line = re.sub(r"^([+\-#>]|\d+\.) ", r"\\\1 ", line)
    pieces = line.split("`")
    pieces[::2] = [re.sub(r"([*_\[\]])", r"\\\1", piece).replace("<", "&lt;") for piece in pieces[::2]]
    # Another header is named by its file, as what lies beside this one.
    pieces[::2] = [re.sub(r"(?<![\w/])[\w\\]+\.hpp", _link, piece) for piece in pieces[::2]]
    return "`".join(pieces)


def _link(header: re.Match[str]) -> str:
    target = header.group().replace("\\", "")  # escaped for the text, not for the link
    return f"[{header.group()}]({target})"
