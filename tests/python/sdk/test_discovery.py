"""Ids of env libraries, and the packages in which they are found."""

from __future__ import annotations

import json

import gymnasium
import numpy as np
import pytest

import fastvec
from support.plugins import TINY, install, with_packages


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


# -- discovery ------------------------------------------------------------------------------------------------


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
