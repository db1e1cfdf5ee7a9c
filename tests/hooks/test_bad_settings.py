"""Settings of a hook that were written to harm: they are not taken, and the reason is one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest
from bad_files import NO_FILE, Make, text
from trees import states

from muslfix.hooks.common import Settings, read_settings

PARTS = ".".join(["a"] * 30_000)
BAD_SETTINGS: dict[str, Make] = {
    **NO_FILE,
    "a key of 30 000 parts": text(f"[tool.muslfix]\n{PARTS} = 1\n"),
    "keys of a table of 20 000 parts": text(
        f"[tool.muslfix]\n[{PARTS}]\n" + "".join(f"b{n} = 1\n" for n in range(20_000))
    ),
    "a million digits": text(f"[tool.muslfix]\nmode = {'1' * 1_000_000}\n"),
    "deep list": text("[tool]\nmuslfix = " + "[" * 50_000),
    "deep table": text("[tool]\nmuslfix = " + "{a=" * 50_000),
    "UTF-16": text("[tool.muslfix]".encode("utf-16") + b"muslfix"),
    "a key twice": text("[tool.muslfix]\nmode = 'copy'\nmode = 'copy'\n"),
    "a table twice": text("[tool.muslfix]\n[tool.muslfix]\n"),
    "escape": text("[tool.muslfix]\nmode = '\x1b[31m'\n"),
}


@pytest.mark.parametrize("make", BAD_SETTINGS.values(), ids=BAD_SETTINGS)
def test_settings_of_a_hook(tmp_path: Path, make: Make) -> None:
    path = tmp_path / "pyproject.toml"
    make(path)
    before = states(tmp_path)
    settings_read, (problem,) = read_settings(str(path))
    assert states(tmp_path) == before
    assert settings_read == Settings()
    assert problem.startswith(f"{path}: cannot be read, so the settings of muslfix are ignored (")
    assert len(problem) < 1_000
