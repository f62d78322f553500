"""Env libraries from elsewhere: other compilers, wrong files, versions, ids."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import gymnasium
import numpy as np
import pytest

import fastvec
from support.compiling import WARNINGS, compile_library, compiler, run

HERE = Path(__file__).parent
EVERYTHING = HERE / "fixtures" / "everything.cpp"

TINY = (HERE / "fixtures" / "tiny.cpp").read_text()
TINY = TINY[TINY.index("struct Tiny") : TINY.index("extern const char")]
TINY = f'#include <fastvec/env.hpp>\n{TINY}FASTVEC_PLUGIN("tiny", fastvec::env<Tiny>("ID"))\n'

TABLE = """
#include <fastvec/abi.h>
static fv_plugin table = {{{size}, {major}, {minor}, "table", 0, nullptr}};
extern "C" FASTVEC_EXPORT const fv_plugin* {symbol}(void) {{ return {result}; }}
"""


def table(size="sizeof(fv_plugin)", major="FASTVEC_ABI_MAJOR", minor="0", symbol="fastvec_plugin_v1", result="&table"):
    return TABLE.format(size=size, major=major, minor=minor, symbol=symbol, result=result)


# -- compilers ----------------------------------------------------------------------------------------------


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
    other = compile_library(EVERYTHING, tmp_path / "clang.so", cxx="clang++", flags=(*flags, "-Wall", "-Werror"))
    if flags:
        assert "libc++.so" in run("ldd", other)
    answers = [
        run(sys.executable, "-c", (HERE / "fixtures" / "use_plugin.py").read_text(), library)
        for library in (everything, other)
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


# -- files that cannot be loaded ----------------------------------------------------------------------------


def test_newer_major_version_is_refused_with_both_versions_and_the_path(compile_text):
    library = compile_text(table(major="FASTVEC_ABI_MAJOR + 1", minor="7"))
    with pytest.raises(ImportError, match=r"library\.so' was built for fastvec ABI 2\.7, this fastvec has 1\."):
        fastvec.load_plugin(library)


def test_newer_minor_version_loads(compile_text):
    assert fastvec.load_plugin(compile_text(table(minor="FASTVEC_ABI_MINOR + 3"), name="minor")) == []


def test_table_that_is_too_short_is_refused(compile_text):
    with pytest.raises(ImportError, match=r"library\.so': expected a table of at least \d+ bytes, got 8"):
        fastvec.load_plugin(compile_text(table(size="8")))


def test_null_table_is_refused(compile_text):
    with pytest.raises(ImportError, match=r"library\.so' gave no table"):
        fastvec.load_plugin(compile_text(table(result="nullptr")))


def test_library_without_the_symbol_is_no_env_library(compile_text):
    with pytest.raises(ImportError, match=r"library\.so' is not a fastvec env library.*fastvec_plugin_v1"):
        fastvec.load_plugin(compile_text(table(symbol="something_else")))


def test_file_that_is_no_library_is_an_import_error(tmp_path):
    path = tmp_path / "text.so"
    path.write_text("not a library")
    with pytest.raises(ImportError, match=r"cannot load env library '.*text\.so'"):
        fastvec.load_plugin(path)
    with pytest.raises(ImportError, match=r"cannot load env library '.*none\.so'"):
        fastvec.load_plugin(tmp_path / "none.so")


# -- older libraries, and limits -----------------------------------------------------------------------------


@pytest.mark.parametrize("minor", [0, 1, 2, 3])
def test_library_of_every_minor_loads_with_its_limits(tiny, minor):
    library = tiny("older/Tiny-v0", f"minor{minor}", minor=minor)
    code = (
        "import sys, gymnasium, fastvec\n"
        "fastvec.load_plugin(sys.argv[1])\n"
        "spec = gymnasium.spec('older/Tiny-v0')\n"
        "envs = fastvec.make_vec('older/Tiny-v0', 2)\n"
        "print(spec.max_episode_steps, spec.reward_threshold, envs.max_episode_steps, envs.parameters)\n"
        "print(envs.reset(seed=0)[0].tolist())"
    )
    assert run(sys.executable, "-c", code, library).split("\n")[:2] == ["7 1.5 7 ()", "[[0.5], [0.5]]"]


WITNESS = """
#include <fastvec/env.hpp>
#include <cstdio>
inline void saw(const char* what) {
  std::FILE* file = std::fopen(std::getenv("WITNESS"), "a");
  std::fprintf(file, "%s ", what);
  std::fclose(file);
}
struct Witness {
  struct Config {};
  struct Shared {
    explicit Shared(const Config&) { saw("shared"); }
  };
  using Action = std::int64_t;
  using Observation = float&;
  Witness(const Shared&, std::int64_t) { saw("env"); }
  static fastvec::Spec spec(const Shared&) {
    saw("spec");
    return {.observation = fastvec::Box<float>(0.0f, 1.0f, {1}), .action = fastvec::Discrete(2)};
  }
  void reset(const Shared&, fastvec::Rng&, const fastvec::Options&) { saw("reset"); }
  fastvec::StepResult step(const Shared&, Action, fastvec::Rng&) { return {}; }
  void observe(const Shared&, Observation observation) const { observation = 0.5f; }
};
FASTVEC_PLUGIN("witness",
               fastvec::env<Witness>("witness/Witness-v0", {.max_episode_steps = 9, .reward_threshold = 2.5}))
"""


def test_import_makes_no_env_and_calls_none_of_its_code(compile_text, tmp_path, monkeypatch):
    site = tmp_path / "site"
    site.mkdir()
    library = compile_text(WITNESS, name="witness", flags=("-O0",))
    install(site, "witness", "witness:LIBRARY", f"LIBRARY = {str(library)!r}")
    seen = tmp_path / "seen"
    monkeypatch.setenv("WITNESS", str(seen))
    ask = "import fastvec, gymnasium; s = gymnasium.spec('witness/Witness-v0'); "
    done = with_packages(site, ask + "print(s.max_episode_steps, s.reward_threshold)")
    assert done.stdout.strip() == "9 2.5", done.stderr
    assert not seen.exists()
    done = with_packages(site, "import fastvec; fastvec.make_vec('witness/Witness-v0').reset()")
    assert done.returncode == 0, done.stderr
    assert seen.read_text() == "shared spec env reset "


BY_ARGUMENT = (
    TINY.replace(
        "struct Config {};",
        "struct Config { std::int64_t steps = 4; static constexpr auto kwargs() "
        '{ return std::tuple{fastvec::kwarg("steps", &Config::steps)}; } };',
    )
    .replace("spec(const Config&)", "spec(const Config& config)")
    .replace("fastvec::Discrete(2)", "fastvec::Discrete(2), .max_episode_steps = config.steps")
)


def steps_until_truncated(env):
    env.reset(seed=0)
    for steps in range(1, 20):
        if np.any(env.step(env.action_space.sample())[3]):
            return steps
    return None


def test_time_limit_that_depends_on_the_arguments_holds_everywhere(compile_text):
    fastvec.load_plugin(compile_text(BY_ARGUMENT.replace("ID", "limits/ByArgument-v0"), name="limits", flags=("-O0",)))
    assert gymnasium.spec("limits/ByArgument-v0").max_episode_steps is None
    for arguments, limit in [({}, 4), ({"steps": 3}, 3), ({"steps": 6}, 6)]:
        assert steps_until_truncated(fastvec.make_vec("limits/ByArgument-v0", 2, **arguments)) == limit
        assert steps_until_truncated(gymnasium.make("limits/ByArgument-v0", **arguments)) == limit


# -- ids ----------------------------------------------------------------------------------------------------


def test_two_libraries_with_one_id_are_both_named(tiny):
    first = tiny("twins/Tiny-v0", "first")
    second = tiny("twins/Tiny-v0", "second")
    assert fastvec.load_plugin(first) == ["twins/Tiny-v0"]
    with pytest.raises(ValueError, match=r"'twins/Tiny-v0' is claimed by two libraries: .*first\.so and .*second\.so"):
        fastvec.load_plugin(second)
    assert fastvec.load_plugin(first) == ["twins/Tiny-v0"]  # loading it again changes nothing


def test_id_that_another_package_has_in_gymnasium_is_not_taken_away(tiny):
    gymnasium.register(id="taken/Tiny-v0", entry_point="somebody.elses:Env")
    try:
        with pytest.raises(ValueError, match=r"claimed by two libraries: somebody\.elses:Env and .*taken\.so"):
            fastvec.load_plugin(tiny("taken/Tiny-v0", "taken"))
        assert gymnasium.spec("taken/Tiny-v0").entry_point == "somebody.elses:Env"
    finally:
        del gymnasium.registry["taken/Tiny-v0"]


@pytest.mark.parametrize("bad", ["Tiny", "a/b/Tiny-v0", "fastvec/Tiny-v0", "white space-v0", ""])
def test_malformed_id_is_refused(tiny, bad):
    with pytest.raises(ValueError, match="expected env ids of the form 'Name-v0' or 'namespace/Name-v0'"):
        fastvec.load_plugin(tiny(bad))


@pytest.mark.usefixtures("everything")
@pytest.mark.parametrize(
    ("env_id", "in_gymnasium"), [("sdk/Plain-v0", "sdk/Plain-v0"), ("NoNamespace-v3", "fastvec/NoNamespace-v3")]
)
def test_id_works_everywhere(env_id, in_gymnasium):
    assert env_id in fastvec.list_envs()
    vectors = [fastvec.make_vec(env_id, num_envs=2), gymnasium.make_vec(in_gymnasium, num_envs=2)]
    vectors.append(gymnasium.make_vec(f"fastvec:{in_gymnasium}", num_envs=2))
    vectors.append(gymnasium.make_vec(vectors[0].spec))
    vectors.append(fastvec.make_vec(vectors[0].spec))
    first, *others = [envs.reset(seed=4)[0] for envs in vectors]
    for other in others:
        np.testing.assert_array_equal(first, other)
    env = gymnasium.make(in_gymnasium)
    np.testing.assert_array_equal(env.reset(seed=4)[0], first[0])


@pytest.mark.usefixtures("everything")
def test_misspelt_id_of_a_plugin_is_corrected():
    with pytest.raises(fastvec.errors.UnknownEnvError, match=r"did you mean sdk/Diary-v0"):
        fastvec.make_vec("sdk/Dairy-v0")


# -- discovery ----------------------------------------------------------------------------------------------


def install(site: Path, name: str, value: str, code: str) -> None:
    """A package with one entry point, as pip leaves it."""
    (site / f"{name}.py").write_text(code)
    info = site / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[fastvec.plugins]\n{name} = {value}\n")


def with_packages(site: Path, code: str, *options: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(site)}
    return subprocess.run([sys.executable, *options, "-c", code], env=environment, capture_output=True, text=True)


def test_installed_packages_are_found_by_their_entry_points(tiny, tmp_path):
    site = tmp_path / "site"
    site.mkdir()
    libraries = [tiny(f"found/Tiny-v{i}", f"found{i}") for i in range(3)]
    install(site, "as_path", "as_path:LIBRARY", f"LIBRARY = {str(libraries[0])!r}")
    install(site, "as_list", "as_list:LIBRARIES", f"LIBRARIES = [{str(libraries[1])!r}]")
    install(site, "as_call", "as_call:library", f"def library():\n    return {str(libraries[2])!r}")
    done = with_packages(site, "import fastvec; print([i for i in fastvec.list_envs() if i.startswith('found/')])")
    assert done.stdout.strip() == "['found/Tiny-v0', 'found/Tiny-v1', 'found/Tiny-v2']", done.stderr


def test_broken_package_is_reported_and_does_not_take_the_others_with_it(tmp_path):
    site = tmp_path / "site"
    site.mkdir()
    install(site, "no_file", "no_file:LIBRARY", "LIBRARY = '/nowhere/no_file.so'")
    done = with_packages(
        site,
        "import fastvec\n"
        "fastvec.make_vec('CartPole-v1').close()\n"
        "try: fastvec.make_vec('no_file/Tiny-v0')\n"
        "except fastvec.errors.UnknownEnvError as error: print(error)",
    )
    message = (
        "the fastvec plugin 'no_file' (no_file:LIBRARY) cannot be loaded: cannot load env library '/nowhere/no_file"
    )
    assert message in done.stdout
    assert f"RuntimeWarning: {message}" in done.stderr


def test_two_packages_with_one_id_are_both_named(tiny, tmp_path):
    site = tmp_path / "site"
    site.mkdir()
    for name in ("one", "two"):
        library = tiny("both/Tiny-v0", name)
        install(site, f"package_{name}", f"package_{name}:LIBRARY", f"LIBRARY = {str(library)!r}")
    done = with_packages(site, "import fastvec")
    assert "'both/Tiny-v0' is claimed by two libraries" in done.stderr
    assert "one.so" in done.stderr
    assert "two.so" in done.stderr


def test_what_is_broken_in_a_package_hides_nothing_else(compile_text, tmp_path):
    site = tmp_path / "site"
    site.mkdir()
    throws = TINY[TINY.index("struct Tiny") : TINY.index("FASTVEC_PLUGIN")].replace("Tiny", "Throws")
    throws = throws.replace("    return {.obs", '    throw fastvec::OutOfRange("not as it is");\n    return {.obs')
    ids = ["CartPole-v1", "mixed/Good-v0", "no form", "mixed/Other-v0"]
    envs = ", ".join(f'fastvec::env<Tiny>("{env_id}")' for env_id in ids)
    text = TINY.replace("FASTVEC_PLUGIN", throws + "FASTVEC_PLUGIN")
    text = text.replace('fastvec::env<Tiny>("ID")', f'{envs}, fastvec::env<Throws>("mixed/Throws-v0")')
    mixed = str(compile_text(text, name="mixed", flags=("-O0",)))
    paths = ["/nowhere/none.so", __file__, mixed, "/nowhere/more.so"]
    install(site, "a_exits", "a_exits:LIBRARY", "raise SystemExit('not today')")
    install(site, "b_silent", "b_silent:LIBRARY", "raise RuntimeError")
    install(site, "c_number", "c_number:LIBRARY", "LIBRARY = 7")
    install(site, "d_mixed", "d_mixed:libraries", f"def libraries():\n    yield from {paths!r}")
    code = (
        "import fastvec, json\n"
        "envs = fastvec.make_vec('mixed/Good-v0', 2)\n"
        "print(json.dumps([name for name in fastvec.list_envs() if name.startswith('mixed')]))\n"
        "library = fastvec.native.registry.find('CartPole-v1').library\n"
        "print(json.dumps([envs.reset(seed=0)[0].ravel().tolist(), library]))\n"
        "try: fastvec.make_vec('no_file/Tiny-v0')\n"
        "except fastvec.errors.UnknownEnvError as error: print(json.dumps(str(error)))"
    )
    reasons = [
        "'a_exits' (a_exits:LIBRARY) cannot be loaded: not today",
        "'b_silent' (b_silent:LIBRARY) cannot be loaded: RuntimeError",
        "'c_number' (c_number:LIBRARY) cannot be loaded: 'int' object is not iterable",
        "'d_mixed' (d_mixed:libraries) cannot be loaded: cannot load env library '/nowhere/none.so'",
        f"'d_mixed' (d_mixed:libraries) cannot be loaded: cannot load env library '{__file__}'",
        "'d_mixed' (d_mixed:libraries) cannot be loaded as a whole: env id 'CartPole-v1' is claimed by two libraries",
        "'d_mixed' (d_mixed:libraries) cannot be loaded as a whole: " + f"{mixed}: expected env ids of the form",
        "'d_mixed' (d_mixed:libraries) cannot be loaded: cannot load env library '/nowhere/more.so'",
    ]
    with pytest.raises(ValueError, match="'CartPole-v1' is claimed by two libraries"):
        fastvec.load_plugin(mixed)  # by its name it is loaded whole or not at all
    assert "mixed/Good-v0" not in fastvec.list_envs()
    for options in [(), ("-W", "error")]:  # warnings, and warnings that are errors
        done = with_packages(site, code, *options)
        assert done.returncode == 0, done.stderr
        listed, (observations, owner), error = (json.loads(line) for line in done.stdout.splitlines())
        assert listed == ["mixed/Good-v0", "mixed/Other-v0", "mixed/Throws-v0"]
        assert observations == [0.5, 0.5]
        assert "classic_control" in owner
        for reason in reasons:
            assert f"RuntimeWarning: the fastvec plugin {reason}" in done.stderr
            assert reason in error


# -- libraries that are built again -------------------------------------------------------------------------


COUNTING = """
#include <fastvec/env.hpp>
struct Counting {
  struct Config {
    double VALUE = VALUE_DEFAULT;
    static constexpr auto kwargs() { return std::tuple{fastvec::kwarg("VALUE", &Config::VALUE)}; }
    static constexpr auto parameters() { return std::tuple{fastvec::parameter("VALUE", &Config::VALUE)}; }
  };
  using Action = std::int64_t;
  using Observation = double&;
  static fastvec::Spec spec(const Config&) {
    return {.observation = fastvec::Box<double>(0.0, 9.0, {1}), .action = fastvec::Discrete(2)};
  }
  void reset(const Config&, fastvec::Rng&, const fastvec::Options&) {}
  fastvec::StepResult step(const Config&, Action, fastvec::Rng&) { return {}; }
  void observe(const Config& config, Observation observation) const { observation = config.VALUE; }
};
FASTVEC_PLUGIN("counting", fastvec::env<Counting>("again/Counting-v0", {.max_episode_steps = LIMIT}), EXTRA)
"""


def counting(value, default, limit, extra):
    text = COUNTING.replace("VALUE_DEFAULT", default).replace("VALUE", value).replace("LIMIT", str(limit))
    return text.replace("EXTRA", f'fastvec::env<Counting>("{extra}")')


def test_a_library_that_was_built_again_is_loaded_anew(compile_text):
    flags = ("-O0", "-fvisibility=default")  # visible: the loader shares what it can between libraries
    library = compile_text(counting("first", "1.0", 5, "again/Old-v0"), name="again", flags=flags)
    assert fastvec.load_plugin(library) == ["again/Counting-v0", "again/Old-v0"]
    old = fastvec.make_vec("again/Counting-v0", 2)
    assert old.reset(seed=0)[0].ravel().tolist() == [1.0, 1.0]
    assert compile_text(counting("second", "2.0", 7, "again/New-v0"), name="again", flags=flags) == library
    assert fastvec.load_plugin(library) == ["again/Counting-v0", "again/New-v0"]
    new = fastvec.make_vec("again/Counting-v0", 2)
    assert new.reset(seed=0)[0].ravel().tolist() == [2.0, 2.0]
    assert (old.parameters, new.parameters) == (("first",), ("second",))
    new.set_attr("second", [3.0, 4.0])
    assert new.step(np.zeros(2, np.int64))[0].ravel().tolist() == [3.0, 4.0]
    # Those that were there before go on, with the code that they were made with.
    old.set_attr("first", [5.0, 6.0])
    assert old.step(np.zeros(2, np.int64))[0].ravel().tolist() == [5.0, 6.0]
    assert gymnasium.spec("again/Counting-v0").max_episode_steps == 7
    assert "again/New-v0" in gymnasium.registry
    assert "again/Old-v0" not in gymnasium.registry
    with pytest.raises(fastvec.errors.UnknownEnvError, match="again/Old-v0"):
        fastvec.make_vec("again/Old-v0")
    for envs in (old, new):
        envs.close()


def test_a_build_that_cannot_be_loaded_leaves_the_one_before(tiny, tmp_path):
    library = tiny("kept/Tiny-v0", "kept")
    fastvec.load_plugin(library)
    library.unlink()
    library.write_text("half written")
    with pytest.raises(ImportError, match=rf"cannot load env library '.*kept\.so': {tmp_path}/kept\.so: "):
        fastvec.load_plugin(library)
    library.unlink()
    assert fastvec.load_plugin(library) == ["kept/Tiny-v0"]
    assert fastvec.make_vec("kept/Tiny-v0").reset(seed=0)[0].tolist() == [[0.5]]
