"""``fastvec completion``: what a real shell makes of the script."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys

import pytest
import shtab

import fastvec
from fastvec.cli.main import COMMANDS, main
from support.terminals import FASTVEC, window


@pytest.fixture(scope="module")
def bash(tmp_path_factory):
    """An interactive bash that has sourced the script."""
    if shutil.which("bash") is None:
        pytest.skip("no bash")
    script = tmp_path_factory.mktemp("completion") / "fastvec.bash"
    script.write_text(
        subprocess.run([*FASTVEC, "completion", "bash"], capture_output=True, text=True, check=True).stdout
    )
    with window(["bash", "--norc", "--noprofile", "-i"], columns=200, PS1="READY ", INPUTRC="/dev/null") as shell:
        shell.read(until=b"READY ")
        shell.type(f"bind 'set enable-bracketed-paste off'; bind 'set bell-style none'; source {script}\n")
        shell.read(until=b"READY ")
        yield shell


def complete(shell, typed, expected):
    """Press tab after ``typed``, wait for what is expected of it, and give the line up."""
    shell.type(f"{typed}\t")
    shell.read(until=expected.encode())
    shell.type("\x15\n")
    shell.read(until=b"READY ")


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("fastvec tr", "fastvec train "),
        ("fastvec train CartPole-v1 --total-t", "--total-timesteps "),
        ("fastvec train MountainCarC", "MountainCarContinuous-v0 "),
        ("fastvec train --algo sa", "--algo sac "),
        ("fastvec train CartPole-v1 --algo sac --buffer-s", "--buffer-size "),  # a flag of SAC alone
        ("fastvec list LunarLanderC", "LunarLanderContinuous-v3 "),
        ("fastvec check Blackj", "Blackjack-v1 "),
        ("fastvec bench Acro", "Acrobot-v1 "),
        ("fastvec doctor --j", "--json "),
        ("fastvec completion z", "completion zsh "),
    ],
)
def test_bash_completes(bash, typed, expected):
    complete(bash, typed, expected)


def test_bash_completes_files_where_a_run_is_asked_for(bash, tmp_path):
    (tmp_path / "a-run-of-mine").mkdir()
    complete(bash, f"fastvec eval {tmp_path}/a-r", f"{tmp_path}/a-run-of-mine")


@pytest.mark.parametrize("shell", shtab.SUPPORTED_SHELLS)
def test_the_script_knows_every_command_and_env(shell, capsys):
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert not [name for name in COMMANDS if name not in script]
    assert not [env_id for env_id in [*fastvec.list_envs(), "CarRacing-v3", "ALE/Pong-v5"] if env_id not in script]
    assert "Ant-v2" not in script, "which Gymnasium itself does not make any more"


@pytest.mark.parametrize(
    "words",
    [["train"], ["train", "--algo", "pqn"], ["train", "--algo", "sac"], ["eval"], ["plot"], ["export"]],
    ids=" ".join,
)
def test_every_flag_that_help_names_is_completed(words, capsys):
    with pytest.raises(SystemExit):
        main([*words, "--help"])
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*(?=[ ,\n{])", flags_column(capsys.readouterr().out)))
    main(["completion", "bash"])
    strings = re.search(rf"^_shtab_fastvec_{words[0]}_option_strings=\((.*)\)$", capsys.readouterr().out, re.MULTILINE)
    known = set(strings[1].replace("'", "").split())
    assert named > {"--help"}
    assert not named - known
    if words == ["eval"]:
        assert known - {"-h"} == named, "and no other"


def flags_column(text):
    """The left column of a help text, where the flags are; texts beside it may name flags as well."""
    return "\n".join(line[2:].partition("  ")[0] + "\n" for line in text.splitlines())


def test_zsh_can_read_the_script(tmp_path, capsys):
    if shutil.which("zsh") is None:
        pytest.skip("no zsh")
    main(["completion", "zsh"])
    (tmp_path / "_fastvec").write_text(capsys.readouterr().out)
    subprocess.run(["zsh", "-n", str(tmp_path / "_fastvec")], check=True)


def test_commands_whose_packages_are_missing_are_completed_by_name(tmp_path):
    (tmp_path / "tyro.py").write_text("raise ImportError('no tyro', name='tyro')")
    code = "from fastvec.cli.main import main; main(['completion', 'bash'])"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert "train" in done.stdout
    assert "--num-threads" in done.stdout
    assert "--total-timesteps" not in done.stdout
