"""Env libraries from other compilers, and what a compiler says of a source that is wrong."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import fastvec
from support.compiling import WARNINGS, compile_library, compiler, run
from support.plugins import TINY

FIXTURES = Path(__file__).parent / "fixtures"


def test_headers_compile_without_a_warning(compile_text):
    assert compile_text(TINY, flags=(*WARNINGS, "-O2")).exists()


def test_c_table_is_plain_c(tmp_path):
    compiler = shutil.which("cc") or pytest.skip("there is no C compiler")
    source = tmp_path / "table.c"
    source.write_text("#include <fastvec/abi.h>\nint main(void) { return sizeof(fv_plugin) == 0; }\n")
    flags = ["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror", f"-I{fastvec.get_include()}"]
    run(compiler, *flags, source, "-o", tmp_path / "table")


@pytest.mark.parametrize("flags", [(), ("-stdlib=libc++",)], ids=["libstdc++", "libc++"])
def test_library_from_clang_behaves_as_one_from_gcc(everything, tmp_path, flags):
    if shutil.which("clang++") is None:
        pytest.skip("there is no clang++")
    probe = tmp_path / "probe.cpp"
    probe.write_text("#include <string>\nint main() {}\n")
    if subprocess.run(["clang++", *flags, str(probe), "-o", str(tmp_path / "probe")], capture_output=True).returncode:
        pytest.skip(f"clang++ {' '.join(flags)} does not work here")
    other = compile_library(
        FIXTURES / "everything.cpp", tmp_path / "clang.so", cxx="clang++", flags=(*flags, "-Wall", "-Werror")
    )
    if "-stdlib=libc++" in flags:
        assert "libc++.so" in run("ldd", other)
    answers = [
        run(sys.executable, "-c", (FIXTURES / "use_plugin.py").read_text(), library) for library in (everything, other)
    ]
    assert answers[0] == answers[1]
    assert json.loads(answers[0])["errors"] == [
        "env 1: the reason",
        "env 0: an exception that is not a std::exception (and 1 more)",
        "expected count >= 0, got -1",
    ]


def complaints(text, tmp_path, *, standard="-std=c++20"):
    """The error lines of a compiler that is to refuse this text."""
    source = tmp_path / "library.cpp"
    source.write_text(text)
    command = [compiler(), standard, "-fsyntax-only", f"-I{fastvec.get_include()}", str(source)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode != 0
    return [line for line in done.stderr.splitlines() if "error: " in line]


ROW = "using Observation = float&;"
LACKING = [
    ("void observe(", "void look(", "an env offers `void observe(const Config&, Observation) const`"),
    ("static fastvec::Spec spec(", "fastvec::Spec spec(", "an env offers `static fastvec::Spec spec("),
    ("fastvec::StepResult step(", "int step(", "an env offers `fastvec::StepResult step("),
    ("void reset(const Config&, ", "void reset(", "an env offers `void reset("),
    ("struct Config {};", "struct Config {}; std::string text;", "the state of an env is trivially copyable, or"),
    ("struct Config {};", "struct Config {}; explicit Tiny(int) {}", "an env is default constructible, or"),
    (ROW, "using Observation = float;", "an env offers `using Observation =`"),
    (ROW, "using Observation = float*;", "an env offers `using Observation =`"),
    (ROW, "using Observation = std::vector<float>&;", "an env offers `using Observation =`"),
    (ROW, "using Observation = std::span<const float, 1>;", "an env offers `using Observation =`"),
    (ROW, "using Observation = const std::int64_t&;", "an env offers `using Observation =`"),
    (ROW, "using Observation = std::span<long double>;", "an env offers `using Observation =`"),
    (ROW, "using Seen = float&;", "an env offers `using Observation =`"),
    ("using Action = std::int64_t;", "using Action = std::span<float>;", "an env offers `using Action =`"),
    ("using Action = std::int64_t;", "using Action = std::string;", "an env offers `using Action =`"),
    ("struct Config {};", "struct Config { std::unique_ptr<int> own; };", "a Config is copyable"),
    ("struct Config {};", "struct Config {}; struct Shared {};", "Shared is constructed from the Config"),
]


def test_what_an_env_lacks_is_one_sentence_of_the_compiler(tmp_path):
    body = TINY[TINY.index("struct Tiny") : TINY.index("FASTVEC_PLUGIN")]
    body = body.replace("observation = 0.5f;", "static_cast<void>(observation);")
    text = "#include <fastvec/env.hpp>\n#include <memory>\n"
    for number, (replace, by, _) in enumerate(LACKING):
        assert replace in body
        changed = body.replace(replace, by)
        if "using Observation" not in changed:
            changed = changed.replace("Observation observation", "Seen observation")
        text += changed.replace("Tiny", f"Tiny{number}")
    envs = ", ".join(f'fastvec::env<Tiny{number}>("lacking/Tiny{number}-v0")' for number in range(len(LACKING)))
    errors = complaints(f'{text}FASTVEC_PLUGIN("lacking", {envs})', tmp_path)
    assert len(errors) == len(LACKING), "\n".join(errors)
    for error, (_, by, message) in zip(errors, LACKING, strict=True):
        assert message in error, by


@pytest.mark.parametrize("header", ["env.hpp", "rng.hpp"])
def test_an_older_language_is_one_sentence(tmp_path, header):
    first, *others = complaints(f"#include <fastvec/{header}>\n{TINY}", tmp_path, standard="-std=c++17")
    assert "fastvec's headers are C++20: compile with -std=c++20" in first
    assert len(others) <= 1  # which ends the compilation
