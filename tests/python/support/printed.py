"""What a page shows as printed, against what was printed.

A line that is ``...`` stands for any number of lines that are left out, and runs of spaces are all alike. A number is
as exact as it is written: an integer exactly, one with decimals to a unit of the last decimal that is shown. Where a
page says so, all numbers may be off by a share of themselves (what is learned differs from machine to machine), or be
any numbers (what is measured).
"""

from __future__ import annotations

import re
from decimal import Decimal
from functools import cache

ANY = float("inf")

_NUMBER = re.compile(r"(?<![\w.])[-+]?\d+(?:,\d{3})*(?:\.\d+)?(?:e[-+]?\d+)?")


def assert_printed(shown: list[str], printed: str, within: float | None = None) -> None:
    """Fail unless ``printed`` is what ``shown`` says.

    Args:
        shown: lines of a page.
        printed: what was printed.
        within: by what share numbers may be off; None: as exactly as they are written; :data:`ANY`: they may be any.
    """
    lines = printed.rstrip("\n").splitlines()

    @cache
    def fits(i: int, j: int) -> bool:
        """Whether what is shown from line i on is what was printed from line j on."""
        if i == len(shown):
            return j == len(lines)
        if shown[i].strip() == "...":
            return any(fits(i + 1, k) for k in range(j, len(lines) + 1))
        return j < len(lines) and _same_line(shown[i], lines[j], within) and fits(i + 1, j + 1)

    where = "\n".join(shown)
    assert fits(0, 0), f"the page shows\n{where}\nand this was printed:\n{printed}"


def _same_line(shown: str, printed: str, within: float | None) -> bool:
    if within == ANY:
        return _masked(shown) == _masked(printed)
    one, other = (" ".join(line.split()) for line in (shown, printed))
    if _NUMBER.sub("#", one) != _NUMBER.sub("#", other):
        return False
    pairs = zip(_NUMBER.findall(one), _NUMBER.findall(other), strict=True)
    return all(_same_number(number, got, within) for number, got in pairs)


def _same_number(shown: str, printed: str, within: float | None) -> bool:
    expected, got = (Decimal(number.replace(",", "")) for number in (shown, printed))
    if within is not None:
        return abs(expected - got) <= Decimal(within) * max(abs(expected), abs(got))
    if re.search(r"[.e]", shown) is None:
        return shown == printed
    return abs(expected - got) <= Decimal(10) ** int(expected.as_tuple().exponent)


def _masked(line: str) -> str:
    """The line with its numbers, and the width of its columns, taken out."""
    return " ".join(re.sub(r"((?<!\w)-)?\d[\d.,:]*(e-?\d+)?[kM]?", "#", line).split())
