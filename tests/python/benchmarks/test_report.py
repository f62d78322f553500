"""How rates are written."""

from __future__ import annotations

import pytest

from fastvec.bench.report import short


@pytest.mark.parametrize(
    ("rate", "text"),
    [
        (0.4, "0"),
        (7.6, "8"),
        (999.4, "999"),
        (999.6, "1.0k"),
        (99_900, "99.9k"),
        (99_960, "100k"),
        (122_800, "123k"),
        (999_600, "1.0M"),
        (80_260_000, "80.3M"),
        (19_000_000_000, "19.0G"),
    ],
)
def test_rates_have_three_digits_or_so(rate, text):
    assert short(rate) == text
