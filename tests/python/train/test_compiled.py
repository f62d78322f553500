"""Programs that are built ahead of a run, against the same functions run eagerly; and the files they are kept in."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
import torch
from torch import nn

from fastvec.train import PPO
from fastvec.train.compiled import runtime
from fastvec.train.compiled.cache import ArtifactCache
from fastvec.train.compiled.function import CompiledFunction
from fastvec.train.compiled.library import find_gemm
from fastvec.train.config import PPOConfig
from fastvec.train.jit import can_compile

compiles = [
    pytest.mark.skipif(not can_compile(), reason="this PyTorch cannot compile whole updates"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]
compiles_own = [*compiles, pytest.mark.skipif(find_gemm() is None, reason="PyTorch does not show its BLAS")]


def library(tmp_path, content=b"machine code"):
    path = tmp_path / "built.so"
    path.write_bytes(content)
    return path


def test_what_was_put_is_found_under_its_key_alone(tmp_path):
    cache = ArtifactCache(tmp_path / "cache")
    assert cache.get("a") is None
    kept = cache.put("a", library(tmp_path))
    assert kept == cache.get("a")
    assert kept.read_bytes().startswith(b"machine code")
    assert cache.get("b") is None
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["a.so"]


@pytest.mark.parametrize("damage", [lambda x: x[:-1], lambda x: b"M" + x[1:], lambda x: b"", lambda x: x + b"?"])
def test_a_damaged_file_counts_as_absent_and_can_be_put_again(tmp_path, damage):
    cache = ArtifactCache(tmp_path / "cache")
    kept = cache.put("a", library(tmp_path))
    kept.write_bytes(damage(kept.read_bytes()))
    assert cache.get("a") is None
    cache.put("a", library(tmp_path))
    assert cache.get("a") is not None


def test_files_that_were_not_used_for_longest_make_room(tmp_path):
    cache = ArtifactCache(tmp_path / "cache", max_bytes=3500)
    now = time.time()
    for i, key in enumerate("abc"):
        path = cache.put(key, library(tmp_path, bytes(1000)))
        os.utime(path, (now - 100 + i, now - 100 + i))
    assert cache.get("a") is not None  # used just now
    cache.put("d", library(tmp_path, bytes(1000)))
    assert sorted(path.stem for path in (tmp_path / "cache").iterdir()) == ["a", "c", "d"]


def test_a_file_too_large_for_the_cache_is_kept_alone(tmp_path):
    cache = ArtifactCache(tmp_path / "cache", max_bytes=100)
    cache.put("a", library(tmp_path, bytes(60)))
    cache.put("b", library(tmp_path, bytes(1000)))
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["b.so"]


def test_a_writer_that_died_leaves_nothing_that_is_found_and_is_cleared_away(tmp_path):
    cache = ArtifactCache(tmp_path / "cache")
    cache.put("a", library(tmp_path))
    half = tmp_path / "cache" / "b.1234.unfinished"
    half.write_bytes(b"machi")
    assert cache.get("b") is None
    os.utime(half, (0, 0))
    cache.put("c", library(tmp_path))
    assert not half.exists()


WRITER = """
import sys
from pathlib import Path
from fastvec.train.compiled.cache import ArtifactCache
folder, byte = Path(sys.argv[1]), sys.argv[2].encode()
built = folder / f"built-{sys.argv[2]}.so"
built.write_bytes(byte * 300_000)
cache = ArtifactCache(folder / "cache", max_bytes=700_000)
for i in range(200):
    cache.put(f"key{i % 3}", built)
    kept = cache.get(f"key{i % 3}")
    try:
        content = b"?" if kept is None else kept.read_bytes()
    except FileNotFoundError:  # removed by the other just now, to make room
        continue
    assert len(set(content[:300_000])) == 1  # whole, by one writer or the other
"""


def test_two_processes_that_write_the_same_keys_read_whole_files(tmp_path):
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), name], stderr=subprocess.PIPE) for name in "xy"
    ]
    for writer in writers:
        assert writer.communicate(timeout=120)[1] == b""
        assert writer.returncode == 0


def test_the_directory_is_the_users_own_and_can_be_named(tmp_path, monkeypatch):
    monkeypatch.setenv("FASTVEC_CACHE_DIR", str(tmp_path / "own"))
    assert ArtifactCache().directory == tmp_path / "own" / "compiled"
    monkeypatch.delenv("FASTVEC_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    cache = ArtifactCache()
    assert cache.directory == tmp_path / "xdg" / "fastvec" / "compiled"
    cache.put("a", library(tmp_path))
    assert cache.directory.stat().st_mode & 0o077 == 0


def test_a_program_keeps_all_of_its_text_where_the_part_it_shares_does_not_compile(tmp_path):
    program = tmp_path / "program.cpp"
    program.write_text(f"int before;\n{runtime.INTERFACE.read_text()}\nint after;\n")
    assert runtime.Runtime("false", "O1").without(program) is None
    lean = runtime.Runtime("true", "O1").without(program)
    assert lean.read_text() == f"int before;\n{runtime.IN_ITS_PLACE}\nint after;\n"
    program.write_text("int before, after;\n")
    assert runtime.Runtime("true", "O1").without(program) is None


FUNCTIONS = {"codegen": torch.exp, "inductor": torch.sin}
"""An operation that our own code generator knows, and one that is left to inductor."""


class Scale(nn.Module):
    def __init__(self, way):
        super().__init__()
        self.function = FUNCTIONS[way]
        self.weight = nn.Parameter(torch.tensor([2.0, 3.0]))

    def step(self, total, pair, nothing):
        total.add_(pair["x"] * self.weight)
        return self.function(pair["x"]), nothing, [total + 1.0]


@pytest.fixture(scope="module", params=FUNCTIONS)
def way(request):
    """Who writes a program."""
    if request.param == "codegen" and find_gemm() is None:
        pytest.skip("PyTorch does not show its BLAS")
    return request.param


@pytest.fixture(scope="module")
def kept(way, tmp_path_factory):
    """A cache in which the program of Scale.step is."""
    cache = ArtifactCache(tmp_path_factory.mktemp("kept"))
    program = CompiledFunction(Scale(way).step, cache=cache).prepare(torch.zeros(2), {"x": torch.zeros(2)}, None)
    program.finish()
    assert not program.was_cached
    return cache


def arguments():
    return torch.tensor([1.0, 1.0]), {"x": torch.tensor([0.5, -0.5])}, None


class TestFunction:
    pytestmark = compiles

    def test_results_and_changes_in_place_are_those_of_the_function(self, kept, way):
        module = Scale(way)
        compiled = CompiledFunction(module.step, cache=kept)
        mine, theirs = arguments(), arguments()
        for _ in range(2):
            with torch.no_grad():
                sines, nothing, (more,) = module.step(*theirs)
            own_sines, own_nothing, (own_more,) = compiled(*mine)
            assert nothing is own_nothing is None
            torch.testing.assert_close(own_sines, sines)
            torch.testing.assert_close(own_more, more)
            torch.testing.assert_close(mine[0], theirs[0])

    def test_a_parameter_that_changes_is_seen_where_it_lies(self, kept, way):
        module = Scale(way)
        compiled = CompiledFunction(module.step, cache=kept)
        compiled(*arguments())
        module.weight.data = torch.tensor([10.0, 20.0])  # other memory
        total, x, _ = arguments()
        compiled(total, x, None)
        torch.testing.assert_close(total, torch.tensor([6.0, -9.0]))

    def test_the_next_one_finds_what_was_built_and_another_constant_does_not(self, kept, way):
        assert CompiledFunction(Scale(way).step, cache=kept).prepare(*arguments()).was_cached

        class Other(Scale):
            def step(self, total, pair, nothing):
                total.add_(pair["x"] * self.weight)
                return self.function(pair["x"]), nothing, [total + 1.5]

        other = CompiledFunction(Other(way).step, cache=kept)
        assert not other.prepare(*arguments()).was_cached
        assert other(*arguments())[2][0].tolist() == [3.5, 1.0]

    def test_a_damaged_file_is_built_again(self, kept, way):
        for file in kept.directory.iterdir():
            content = file.read_bytes()
            file.unlink()  # this process may have loaded it
            file.write_bytes(content[:1000])
        compiled = CompiledFunction(Scale(way).step, cache=kept)
        assert not compiled.prepare(*arguments()).was_cached
        assert compiled(*arguments())[2][0].tolist() == [3.0, 0.5]
        assert CompiledFunction(Scale(way).step, cache=kept).prepare(*arguments()).was_cached

    def test_without_a_compiler_it_runs_eagerly_and_says_so(self, tmp_path, monkeypatch, way):
        monkeypatch.setattr("fastvec.train.compiled.build.find_compiler", lambda: None)
        monkeypatch.setattr("fastvec.train.compiled.build.compiler_version", lambda: "")  # it is asked once a process
        compiled = CompiledFunction(Scale(way).step, cache=ArtifactCache(tmp_path))
        with pytest.warns(UserWarning, match=r"could not be compiled and runs eagerly: there is no C\+\+ compiler"):
            sines = compiled(*arguments())[0]
        assert torch.equal(sines, FUNCTIONS[way](torch.tensor([0.5, -0.5])))

    def test_what_no_graph_can_hold_runs_eagerly(self, tmp_path):
        def halve(x):
            return x / 2 if float(x.sum()) > 0 else x

        compiled = CompiledFunction(halve, cache=ArtifactCache(tmp_path))
        with pytest.warns(UserWarning, match="halve could not be compiled"):
            assert compiled(torch.tensor([2.0])).tolist() == [1.0]
        assert compiled(torch.tensor([-2.0])).tolist() == [-2.0]

    def test_tensors_found_elsewhere_are_told_apart_by_where_they_lie(self, tmp_path):
        memory = torch.arange(6.0)
        back, front, every_other = memory[3:], memory[:3], memory[::2]

        def weigh(x):
            return x * back + front * torch.tensor([1.0, 10.0, 100.0]) - every_other, back

        compiled = CompiledFunction(weigh, cache=ArtifactCache(tmp_path))
        x = torch.tensor([1.0, 2.0, 3.0])
        for mine, theirs in zip(compiled(x), weigh(x), strict=True):
            assert torch.equal(mine, theirs)
        memory += 1.0  # all of them are read where they lie
        for mine, theirs in zip(compiled(x), weigh(x), strict=True):
            assert torch.equal(mine, theirs)

    def test_a_constant_is_not_taken_for_a_parameter_that_has_its_values_just_now(self, tmp_path):
        bias = torch.zeros(2)

        def add(x):
            return (x + bias) * 2.0 + torch.tensor([0.0, 0.0])

        compiled = CompiledFunction(add, cache=ArtifactCache(tmp_path))
        assert compiled(torch.ones(2)).tolist() == [2.0, 2.0]
        bias += 10.0
        assert compiled(torch.ones(2)).tolist() == [22.0, 22.0]

    def test_headers_that_do_not_do_are_left_out(self, tmp_path, monkeypatch):
        (tmp_path / "regex").write_text("#error not this one\n")
        monkeypatch.setattr("fastvec.train.compiled.build.STAND_INS", tmp_path)
        compiled = CompiledFunction(Scale("inductor").step, cache=ArtifactCache(tmp_path / "cache"))
        assert compiled(*arguments())[2][0].tolist() == [3.0, 0.5]

    def test_a_pytorch_that_writes_its_programs_otherwise_is_compiled_as_it_writes_them(self, tmp_path, monkeypatch):
        own = tmp_path / "interface.cpp"
        own.write_text(runtime.INTERFACE.read_text() + "\n// more than the programs have")
        monkeypatch.setattr(runtime, "INTERFACE", own)
        compiled = CompiledFunction(Scale("inductor").step, cache=ArtifactCache(tmp_path / "cache"))
        assert compiled(*arguments())[2][0].tolist() == [3.0, 0.5]

    def test_a_process_that_finds_everything_does_not_load_a_compiler(self, kept, way):
        script = """
            import sys
            from pathlib import Path
            import torch
            from fastvec.train.compiled.cache import ArtifactCache
            from fastvec.train.compiled.function import CompiledFunction
            sys.path.insert(0, sys.argv[2])
            from test_compiled import Scale, arguments
            torch.set_num_threads(int(sys.argv[3]))
            compiled = CompiledFunction(Scale(sys.argv[4]).step, cache=ArtifactCache(Path(sys.argv[1])))
            assert compiled.prepare(*arguments()).was_cached is (sys.argv[5] == "kept")
            assert compiled(*arguments())[2][0].tolist() == [3.0, 0.5]
            print([name for name in ("torch._dynamo", "torch._inductor.compile_fx", "sympy") if name in sys.modules])
        """
        command = [sys.executable, "-c", textwrap.dedent(script), str(kept.directory), str(Path(__file__).parent)]
        command += [str(torch.get_num_threads()), way]
        environment = {**os.environ, "PYTHONHASHSEED": "7"}
        for state in (
            ("kept", "new") if way == "codegen" else ("kept",)
        ):  # our own way needs nothing of PyTorch's at all
            if state == "new":
                command[3] = str(kept.directory / "empty")
            result = subprocess.run([*command, state], capture_output=True, text=True, timeout=120, env=environment)
            assert result.stdout == "[]\n", result.stderr


def trainer(**settings):
    return PPO(
        "CartPole-v1",
        **{"num_envs": 4, "num_steps": 16, "num_minibatches": 2, "hidden_sizes": (16,), "total_timesteps": 10**6}
        | {"torch_threads": 1, "compile": True, "update_epochs": 1, **settings},
    )


@pytest.mark.skipif(sys.platform != "linux" or not torch.backends.mkl.is_available(), reason="not PyTorch's own wheel")
def test_the_blas_of_pytorchs_wheels_is_found():
    assert find_gemm() is not None  # or all that needs it would be left out in silence


class TestRows:
    """Calls for row after row of tensors, against the same function called with each row."""

    pytestmark = compiles_own

    def test_each_row_is_what_a_call_with_it_gives(self, tmp_path):
        weight = torch.randn(3, 5)

        def function(x, noise, nothing, mask):
            product = torch.where(mask, x @ weight, -1.0)
            return (product + noise).argmax(-1), product.sum(-1)

        compiled = CompiledFunction(function, cache=ArtifactCache(tmp_path))
        rows, envs = 6, slice(1, 3)  # not all columns, so that rows do not lie side by side
        x, noise, mask = torch.randn(rows + 1, 4, 3), torch.randn(rows, 2, 5), torch.rand(rows, 4, 5) > 0.3
        chosen, sums = torch.full((rows, 4), -7), torch.full((rows, 4), -7.0)
        arguments = (x[:, envs], noise, None, mask[:, envs])
        call = compiled.over_rows(arguments, (chosen[:, envs], sums[:, envs]))
        weight.mul_(2.0)  # read where it lies
        for t in (3, 0, 5):
            call(t)
        for t in range(rows):
            best, total = compiled(*[None if one is None else one[t] for one in arguments])
            untouched = t not in (3, 0, 5)
            assert chosen[t, envs].tolist() == ([-7] * 2 if untouched else best.tolist())
            assert sums[t, envs].tolist() == ([-7.0] * 2 if untouched else total.tolist())
        assert (chosen[:, [0, 3]] == -7).all()
        for wrong in (-1, rows):
            with pytest.raises(IndexError, match=f"below {rows}, got {wrong}"):
                call(wrong)

    def test_what_is_held_by_nobody_else_stays_while_the_calls_do(self, tmp_path):
        compiled = CompiledFunction(torch.exp, cache=ArtifactCache(tmp_path))
        into = torch.zeros(2, 100_000)
        call = compiled.over_rows((torch.full((2, 100_000), 1.0),), (into,))
        others = [torch.full((2, 100_000), 5.0) for _ in range(4)]  # would lie where it was freed
        call(1)
        torch.testing.assert_close(into[1], torch.full((100_000,), 2.718281828))
        assert len(others) == 4

    def test_an_index_out_of_bounds_is_an_error_there_too(self, tmp_path):
        table = torch.arange(4.0)
        compiled = CompiledFunction(lambda i: table[i], cache=ArtifactCache(tmp_path))
        into = torch.zeros(2, 3)
        call = compiled.over_rows((torch.tensor([[0, 1, 2], [0, 4, 2]]),), (into,))
        call(0)
        assert into[0].tolist() == [0.0, 1.0, 2.0]
        with pytest.raises(IndexError, match="out of bounds"):
            call(1)

    @pytest.mark.parametrize(
        "function",
        [
            torch.sin,  # made by inductor
            lambda x: x[1:],  # lies in the argument
            lambda x: (x.exp() * 2.0)[:2],  # half of what was made
            lambda x: torch.exp(x).double(),  # not the dtype of the rows it would go into
        ],
    )
    def test_where_there_are_none_that_is_said(self, function, tmp_path):
        compiled = CompiledFunction(function, cache=ArtifactCache(tmp_path))
        x = torch.ones(5, 3)
        result = compiled(x[0])
        assert compiled.over_rows((x,), (torch.zeros(5, *result.shape),)) is None

    def test_a_policy_chooses_by_them_what_it_chooses_without(self, monkeypatch):
        def rollout(by_rows):
            if not by_rows:
                monkeypatch.setattr(CompiledFunction, "over_rows", lambda *_: None)
            ppo = PPO("Pendulum-v1", num_envs=3, num_steps=8, seed=5, compile=True, num_minibatches=2)
            found = ppo.collect()
            assert isinstance(ppo.act, CompiledFunction)
            return found.obs.clone(), found.actions.clone()

        for one, other in zip(rollout(True), rollout(False), strict=True):
            assert torch.equal(one, other)


@pytest.mark.skipif(not can_compile(), reason="this PyTorch cannot compile whole updates")
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_a_run_that_was_compiled_before_builds_nothing_and_is_the_same_run(tmp_path, monkeypatch):
    monkeypatch.setenv("FASTVEC_CACHE_DIR", str(tmp_path))
    first = trainer()
    assert first.compile() == 2
    files = {path: path.stat().st_ino for path in (tmp_path / "compiled").iterdir()}
    assert len(files) == 2
    monkeypatch.setattr("fastvec.train.compiled.build.find_compiler", lambda: None)  # nothing is built from here on
    second = trainer()
    for ppo in (first, second):
        for _ in range(3):
            ppo.iterate()
    assert torch.equal(first.learner.state.flat_parameters, second.learner.state.flat_parameters)
    assert {path: path.stat().st_ino for path in (tmp_path / "compiled").iterdir()} == files


@pytest.mark.parametrize(
    ("steps", "ahead", "expected"),
    [
        (20_000, True, False),
        (50_000, True, True),
        (400_000, True, True),
        (400_000, False, False),
        (4_000_000, False, True),
    ],
)
def test_by_default_a_run_is_compiled_where_that_pays(steps, ahead, expected):
    config = PPOConfig(num_envs=64, num_steps=32, num_minibatches=8, update_epochs=4, total_timesteps=steps)
    assert config.compiles("cpu", ahead=ahead) is expected


@pytest.mark.skipif(not can_compile(), reason="this PyTorch cannot compile whole updates")
def test_by_default_nothing_is_compiled_without_a_compiler_unless_something_was_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("FASTVEC_CACHE_DIR", str(tmp_path))
    settings = {"num_envs": 64, "num_steps": 32, "num_minibatches": 8, "total_timesteps": 400_000}
    assert trainer(**settings, compile=None).compiles
    monkeypatch.setattr("fastvec.train.jit.find_compiler", lambda: None)
    assert not trainer(**settings, compile=None).compiles
    assert trainer(**settings, compile=True).compiles  # and warns when it cannot
    ArtifactCache().put("a", library(tmp_path))  # of an image that was filled where there was one
    assert trainer(**settings, compile=None).compiles


def test_a_network_that_may_not_be_built_ahead_is_compiled_later():
    class Own(nn.Module):
        def __init__(self, pure):
            super().__init__()
            self.pure, self.policy, self.value = pure, nn.Linear(4, 2), nn.Linear(4, 1)

        def forward(self, obs):
            return self.policy(obs), self.value(obs).squeeze(-1)

    settings = {"num_envs": 64, "num_steps": 32, "num_minibatches": 8, "total_timesteps": 400_000, "compile": None}
    runs = [trainer(network=Own(pure), update_epochs=4, **settings) for pure in (True, False)]
    assert [ppo.compiles for ppo in runs] == [can_compile(), False]
