"""The pages of the SDK's reference show what its headers declare, and nothing of how."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
HEADERS = [path for path in sorted((ROOT / "cpp/include/fastvec").glob("*.hpp")) if path.name != "kernel.hpp"]

sys.path.insert(0, str(ROOT / "tools" / "docs"))
from headers import as_page, read_header  # noqa: E402


def page(name: str) -> str:
    return as_page(read_header(ROOT / "cpp/include/fastvec" / name))


def synopses(text: str) -> str:
    """The code below the headings of declarations, its comments left out."""
    _, *sections = re.split(r"^## ", text, flags=re.MULTILINE)
    return re.sub(r"//.*", "", "\n".join(re.findall(r"```cpp\n(.*?)```", "\n".join(sections), re.DOTALL)))


@pytest.mark.parametrize("header", HEADERS, ids=lambda path: path.name)
def test_a_page_has_no_body_and_nothing_private(header):
    shown = synopses(page(header.name))
    private = set(re.findall(r"\b[a-z]\w*_\b(?=;| =|\{)", header.read_text()))
    assert not private & set(re.findall(r"\w+", shown))
    assert not re.search(r"\breturn\b|\bprivate:", shown)
    assert shown.count("{") == shown.count("}")


@pytest.mark.parametrize("header", HEADERS, ids=lambda path: path.name)
def test_a_page_begins_with_the_contract_of_its_header(header):
    first = next(line for line in header.read_text().splitlines()[1:] if re.match(r"// \w+ \w+ \w+", line))
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)|\\|`", r"\1", page(header.name)).replace("&lt;", "<")
    assert first.removeprefix("// ").replace("`", "") in text


@pytest.mark.parametrize(
    ("name", "declarations"),
    [
        ("env.hpp", ["auto env(const char* id, Limits limits = {}", "#define FASTVEC_PLUGIN(name, ...)"]),
        ("rng.hpp", ["double random();", "std::int64_t integers(std::int64_t low, std::int64_t high);"]),
        ("space.hpp", ["inline Space Discrete(std::int64_t n, std::int64_t start = 0);", "Space Box(T low, T high"]),
        ("spec.hpp", ["std::int32_t render_fps = 0;", "bool given() const;", "double reward = 0.0;"]),
        ("range.hpp", ["auto actions() const;", "std::span<double> rewards() const;"]),
        ("rows.hpp", ["std::span<const T> leaf(std::size_t index) const;"]),
    ],
)
def test_a_page_shows_what_authors_call(name, declarations):
    shown = synopses(page(name))
    for declaration in declarations:
        assert declaration in shown


def test_what_is_for_kernels_or_internal_is_not_shown():
    everything = "".join(synopses(page(header.name)) for header in HEADERS)
    assert "namespace" not in everything
    assert "pcg_advance" not in everything  # of namespace detail
