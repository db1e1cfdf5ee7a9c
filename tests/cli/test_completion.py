"""Shell completion, in the shells themselves."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from commands import Cli
from required import lacks

from muslfix.cli.completion import SHELLS
from muslfix.cli.dispatch import _COMMANDS

COMMANDS = set(_COMMANDS)


@pytest.fixture
def script(cli: Cli, tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """The script for a shell, which is there."""
    pytest.importorskip("shtab")
    shell = request.param
    if shutil.which(shell) is None:
        lacks(f"no {shell} on this machine")
    result = cli("completion", shell)
    assert (result.status, result.err) == (0, "")
    path = tmp_path / {"bash": "muslfix", "zsh": "_muslfix", "fish": "muslfix.fish"}[shell]
    path.write_text(result.out)
    return path


def in_shell(*command: str, folder: Path) -> list[str]:
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=folder, timeout=60)
    assert done.stderr == ""
    return done.stdout.split("\n")


BASH = """
set -eu
source ./muslfix
COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
COMPREPLY=()
$(complete -p muslfix | sed 's/.*-F \\([^ ]*\\).*/\\1/') muslfix "${{COMP_WORDS[COMP_CWORD]}}" || true
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


def in_bash(words: str, folder: Path) -> set[str]:
    shown = in_shell("bash", "--norc", "-c", BASH.format(words=words), folder=folder)
    return {line.strip() for line in shown} - {""}


@pytest.mark.parametrize("script", ["bash"], indirect=True)
def test_bash(script: Path) -> None:
    folder = script.parent
    (folder / "demo.whl").touch()
    (folder / "demo.d").mkdir()
    assert in_bash("muslfix ''", folder) >= COMMANDS
    assert in_bash("muslfix che", folder) == {"check"}
    assert in_bash("muslfix fix --mode ''", folder) == {"symlink", "hardlink", "copy", "rename"}
    assert in_bash("muslfix install --dry", folder) == {"--dry-run"}
    (folder / "demo.txt").touch()
    assert in_bash("muslfix install de", folder) == {"demo.whl", "demo.d/"}
    assert in_bash("muslfix fix --target-file demo.t", folder) == {"demo.txt"}
    assert in_bash("muslfix check --target-spec alpine-3.2", folder) >= {
        "alpine-3.23-x86_64",
        "alpine-3.20-aarch64",
    }
    assert "bash" in in_bash("muslfix run -- bas", folder)
    assert in_bash("muslfix fix --path de", folder) == {"demo.d"}
    assert in_bash("muslfix explain other-l", folder) == {"other-libc"}


@pytest.mark.parametrize("script", ["fish"], indirect=True)
def test_fish(script: Path) -> None:
    def in_fish(line: str) -> set[str]:
        code = f"source muslfix.fish; complete --do-complete '{line}'"
        shown = in_shell("fish", "--no-config", "-c", code, folder=script.parent)
        return {row.partition("\t")[0] for row in shown} - {""}

    assert in_fish("muslfix che") == {"check"}
    assert in_fish("muslfix fix --mode ") >= {"symlink", "hardlink", "copy", "rename"}
    assert in_fish("muslfix install --dry") == {"--dry-run"}


# What zsh completes is seen by a person only, so a person is played: the line is typed, Tab is pressed, and
# the line that zsh then has is shown by a key of our own.
ZSH = """
autoload -Uz compinit && compinit -u -D
zmodload zsh/zpty
zpty -b shell zsh -f -i
zpty -w shell 'fpath=($PWD $fpath); autoload -Uz compinit; compinit -u -D'
zpty -w shell 'show() { print -r -- "<<$BUFFER>>"; zle kill-buffer }; zle -N show; bindkey "^X" show'
zpty -w shell 'print rea""dy'
zpty -r -m shell seen '*ready*'
zpty -n -w shell $'muslfix che\\t\\030'
zpty -r -m shell seen '*<<*>>*'
print -r -- "$seen"
zpty -d shell
"""


@pytest.mark.parametrize("script", ["zsh"], indirect=True)
def test_zsh(script: Path) -> None:
    shown = in_shell("zsh", "-f", "-c", ZSH, folder=script.parent)
    assert any("<<muslfix check >>" in line for line in shown)


@pytest.mark.parametrize("shell", SHELLS)
def test_without_shtab(cli: Cli, monkeypatch: pytest.MonkeyPatch, shell: str) -> None:
    monkeypatch.setitem(sys.modules, "shtab", None)
    result = cli("completion", shell)
    assert (result.status, result.out) == (2, "")
    assert result.err == (
        "error: completion needs shtab, which is not installed\n"
        "tip: install it with: pip install 'muslfix[completion]'\n"
    )


def test_a_shell_that_is_not_known(cli: Cli) -> None:
    assert cli("completion", "cmd").status == 2
