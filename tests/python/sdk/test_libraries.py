"""Files that are loaded as env libraries: wrong ones, older ones, and one that was built again."""

from __future__ import annotations

import sys

import gymnasium
import numpy as np
import pytest

import fastvec
from support.compiling import run
from support.plugins import TINY, install, with_packages

TABLE = """
#include <fastvec/abi.h>
static fv_plugin table = {{{size}, {major}, {minor}, "table", 0, nullptr}};
extern "C" FASTVEC_EXPORT const fv_plugin* {symbol}(void) {{ return {result}; }}
"""


def table(size="sizeof(fv_plugin)", major="FASTVEC_ABI_MAJOR", minor="0", symbol="fastvec_plugin_v1", result="&table"):
    return TABLE.format(size=size, major=major, minor=minor, symbol=symbol, result=result)


# -- files that cannot be loaded ------------------------------------------------------------------------------


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


# -- older libraries, and limits ------------------------------------------------------------------------------


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


# -- libraries that are built again ---------------------------------------------------------------------------


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
