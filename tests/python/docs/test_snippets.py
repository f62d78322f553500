"""Every block of Python and of commands runs, and prints what the page says; what is not run says why."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from support.printed import ANY, assert_printed
from support.snippets import PAGES, ROOT, Blocks, Skip, has_code, needs_jax, run_page, skips

# What a block may be in, so that none is passed over because of how its language is spelled. `console` is commands with
# what they print: tests/python/sdk/test_docs_console.py.
LANGUAGES = {"python", "console", "sh", "text"}
HERE = [page for page in PAGES if has_code(page) and not needs_jax(page)]  # the others: tests/jax
SKIPS = [skip for page in PAGES for skip in skips(page)]


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", HERE, ids=name)
def test_blocks_run_and_print_what_the_page_shows(page: Path, tmp_path: Path):
    print(run_page(page, tmp_path))


@pytest.mark.parametrize("skip", SKIPS, ids=str)
def test_block_that_is_left_out_says_why(skip: Skip):
    assert skip.reason is not None, f'{skip}: <!-- skip: next "why" -->'
    pytest.skip(f"{skip}: {skip.reason}")


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_block_says_its_language(page: Path):
    languages = re.findall(r"^ *```(.*)$", page.read_text(), re.MULTILINE)[::2]
    assert set(languages) <= LANGUAGES


def write(folder: Path, text: str) -> Blocks:
    page = folder / "page.md"
    page.write_text(text)
    return Blocks(page)


def test_blocks_share_their_names_and_are_main(tmp_path):
    blocks = write(tmp_path, "```python\nx = 1\n```\n\n```python\nif __name__ == '__main__':\n    x += 1\n```\n")
    blocks.run()
    assert blocks.names["x"] == 2


def test_block_that_the_reader_does_not_see_runs(tmp_path):
    blocks = write(tmp_path, "<!-- invisible-code: python\nx = 1\n-->\n\n```python\ny = x + 1\n```\n")
    blocks.run()
    assert blocks.names["y"] == 2


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("```python\nprint(1 + 1)\n```\n\n```text\n3\n```\n", "this was printed:\n2"),
        ("```python\nprint(1 + 1)\n```\n", "does not show what line 1 prints"),
        ("```python\nprint(1 + 1)\n```\n\nAnd below:\n\n```text\n2\n```\n", "does not show what line 1 prints"),
        ("```python\n>>> 1 + 1\n3\n```\n", "Expected:\n    3"),
        ("```python\nimport warnings\n\nwarnings.warn('old')\n```\n", "old"),
    ],
)
def test_page_that_says_something_else_is_found(text, fault, tmp_path):
    with pytest.raises((AssertionError, UserWarning), match=fault):
        write(tmp_path, text).run()


def test_page_whose_code_fails_is_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("Text\n\n```python\nx = 1\ny = x / 0\n```\n")
    with pytest.raises(AssertionError, match=r'page.md", line 5, in'):
        run_page(page, tmp_path)


def test_block_below_a_skip_is_left_out_and_the_page_goes_on(tmp_path, capsys):
    skipped = '<!-- skip: next "no GPU here" -->\n\n```python\n1 / 0\n```\n\n```text\nnothing\n```\n\n'
    blocks = write(tmp_path, f"{skipped}```python\nx = 1\n```\n")
    blocks.run()
    assert blocks.names["x"] == 1
    assert "is left out: no GPU here" in capsys.readouterr().out


def test_commands_run_in_the_folder_and_have_to_succeed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path, "```sh\npip install everything && echo 1 > made_<time>\n```\n").run()
    assert (tmp_path / "made_*").read_text() == "1\n"
    with pytest.raises(AssertionError, match="invalid choice"):
        write(tmp_path, "```sh\nfastvec dance\necho done\n```\n").run()


@pytest.mark.parametrize("comment", ["", "<!-- numbers within 10 % -->", "<!-- numbers vary -->"])
def test_comment_says_how_exact_numbers_are(comment, tmp_path):
    near = write(tmp_path, f"```python\nprint('return', 97.0)\n```\n\n{comment}\n\n```text\nreturn 100.0\n```\n")
    far = write(tmp_path, f"```python\nprint('return', 7.0)\n```\n\n{comment}\n\n```text\nreturn 100.0\n```\n")
    for blocks, is_wrong in ((near, comment == ""), (far, "vary" not in comment)):
        if is_wrong:
            with pytest.raises(AssertionError, match="this was printed"):
                blocks.run()
        else:
            blocks.run()


@pytest.mark.parametrize(
    ("shown", "printed", "within"),
    [
        (["a 1", "...", "c 2"], "a 1\nb\nb\nc 2\n", None),
        (["a 1", "...", "c 2"], "a 1\nc 2\n", None),
        (["...", "| mean | 20 |"], "| mean | 10 |\n| mean | 20 |\n", None),
        (["a    1,024"], "a 1,024\n", None),
        (["a 0.123"], "a 0.124\n", None),
        (["a 0.5"], "a 0.4613\n", None),
        (["a 1e-3"], "a 0.0015\n", None),
        (["(8, 4) 10"], "(8, 4) 9\n", 0.2),
        (["a 22.4M (289x)"], "a 930.1k (3x)\n", ANY),
    ],
)
def test_what_is_printed_fits_what_is_shown(shown, printed, within):
    assert_printed(shown, printed, within)
    with pytest.raises(AssertionError):
        assert_printed([*shown, "and more"], printed, within)


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        (["a 1", "c 2"], "a 1\nb\nc 2\n"),
        (["a 1"], "a 1\nb\n"),
        (["b"], "a 1\nb\n"),
        (["a 1", "...", "d"], "a 1\nb\nc 2\n"),
        (["a 1"], "a 2\n"),
        (["a 1"], "a -1\n"),
        (["a 0.123"], "a 0.126\n"),
        (["a float32"], "a float64\n"),
        (["a 1.0"], "a nan\n"),
    ],
)
def test_what_is_not_printed_is_found(shown, printed):
    with pytest.raises(AssertionError):
        assert_printed(shown, printed)
