"""What stands between two markers of a page.

    <!-- results: NAME -->

    ...

    <!-- /results -->

is replaced by the table of that name; on one line, ``<!-- results: NAME -->7<!-- /results -->``, by a figure.
"""

from __future__ import annotations

import re
from collections.abc import Callable

_MARKED = re.compile(r"<!-- results: (\S+) -->(.*?)<!-- /results -->", re.DOTALL)


def filled(page: str, text_of: Callable[[str], str]) -> str:
    """The page with what belongs between its markers.

    Args:
        page: Markdown.
        text_of: the text of a name; KeyError if there is none.
    """

    def replaced(found: re.Match[str]) -> str:
        text = text_of(found[1])
        inside = f"\n\n{text}\n\n" if found[2].startswith("\n") else text
        return f"<!-- results: {found[1]} -->{inside}<!-- /results -->"

    return _MARKED.sub(replaced, page)
