"""The Dockerfiles of the manual are built: what they copy and run is copied and run in a real Alpine Linux.

Stand-ins: for an index, the wheels of the lab; for uv's Python 3.10, which looks for ``-musl`` as well, the
lab's 3.9; for each image, the lab's Alpine, with uv where the image has it.
"""

from __future__ import annotations

import os
import posixpath
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from alpine import Alpine, add_uv, make_alpine
from commands import Result
from environments import well
from lab import layout
from lab_modules import Lab, removed_at_end
from pages import blocks

dockerfile = pytest.importorskip("dockerfile")

pytestmark = [pytest.mark.lab, pytest.mark.once]

(PYTHON,) = (python for python in layout.PYTHONS if python.name == "39-musl")
INTERPRETER = f"/opt/python/{PYTHON.name}/bin/python3"
PSYCOPG = ("psycopg==3.0.4", "psycopg-binary==3.0.4")
PROJECT = f"""\
[project]
name = "app"
version = "1.0"
requires-python = ">=3.9"
dependencies = {list(PSYCOPG)}
"""
WORKS = """python -c 'import psycopg; assert psycopg.pq.__impl__ == "binary"'"""
INDEX = {"UV_NO_INDEX": "1", "UV_FIND_LINKS": "/wheels", "UV_PYTHON_DOWNLOADS": "never", "UV_OFFLINE": "1"}


@dataclass
class Stage:
    """What a stage of a Dockerfile has made so far.

    :param system: its file system
    :param variables: what ``ENV`` has set
    :param directory: what ``WORKDIR`` has chosen
    """

    system: Alpine
    variables: dict[str, str] = field(default_factory=dict)
    directory: str = "/"

    def run(self, command: str) -> Result:
        words = ("sh", "-c", f"cd {self.directory} && {command}")
        return self.system.run("root", *words, **INDEX, **self.variables)

    def copy(self, source: Path, target: str) -> None:
        place = self.system.outside(posixpath.join(self.directory, target))
        if source.is_dir():
            shutil.copytree(source, place, symlinks=True, dirs_exist_ok=True)
        else:
            shutil.copy(source, place / source.name if target.endswith(("/", ".")) else place)


@dataclass
class Builder:
    """Builds Dockerfiles, as far as those of the manual go.

    :param image: what stages with uv begin with
    :param folder: for the file systems and the context
    """

    image: Alpine
    folder: Path

    @property
    def context(self) -> Path:
        return self.folder / "context"

    def stage(self, name: str, *, with_uv: bool = True, directory: str = "/") -> Stage:
        """A new one, of hard links to the image."""
        root = self.folder / name
        left_out = None if with_uv else shutil.ignore_patterns("uv", "uvx", "wheels", "python")
        shutil.copytree(self.image.root, root, symlinks=True, copy_function=os.link, ignore=left_out)
        return Stage(Alpine(root, PYTHON), {"UV_PYTHON": INTERPRETER}, directory)

    def build(self, text: str) -> Stage:
        """The last stage of a Dockerfile."""
        stages: list[Stage] = []
        names: dict[str, Stage] = {}
        for step in dockerfile.parse_string(text):
            command, words = step.cmd.lower(), list(step.value)
            if command == "from":
                stages.append(self.stage(f"stage-{len(stages)}", with_uv="/uv:" in words[0]))
                names.update(dict.fromkeys(words[2:], stages[-1]))
            elif command == "env":
                given = dict(zip(words[0::3], words[1::3]))
                stages[-1].variables.update({**given, "UV_PYTHON": INTERPRETER})
            elif command == "workdir":
                stages[-1].directory = words[0]
                stages[-1].system.outside(words[0]).mkdir(parents=True, exist_ok=True)
            elif command == "copy":
                flags = dict(flag.split("=", 1) for flag in step.flags)
                for source in words[:-1]:
                    origin = names[flags["--from"]].system.root if flags else self.context
                    stages[-1].copy(origin / source.lstrip("/"), words[-1])
            else:
                assert command == "run"
                well(stages[-1].run(" ".join(words)))
        return stages[-1]


@pytest.fixture(scope="module")
def image(lab: Lab, own_wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alpine]:
    """Alpine with uv, where uv has installed a Python, and with what an index would have."""
    with removed_at_end(tmp_path_factory.mktemp("image") / "root") as root:
        system = make_alpine(lab, PYTHON, root)
        system.outside("/opt/python").mkdir()
        system.outside(f"/opt/{PYTHON.name}").rename(system.outside(f"/opt/python/{PYTHON.name}"))
        add_uv(lab, system)
        uvx = system.outside("/usr/local/bin/uvx")
        uvx.write_text('#!/bin/sh\nexec uv tool run "$@"\n')
        uvx.chmod(0o755)
        system.outside("/wheels").mkdir()
        needed = [path for path in lab.wheels("cp39") if path.name.startswith(("psycopg", "typing_ext"))]
        for wheel in (own_wheel, *lab.wheels("runtime-cp39"), *needed):
            shutil.copy(wheel, system.outside("/wheels"))
        yield system


@pytest.fixture
def builder(image: Alpine, tmp_path: Path) -> Iterator[Builder]:
    with removed_at_end(tmp_path / "builds") as folder:
        made = Builder(image, folder)
        made.context.mkdir(parents=True)
        (made.context / "pyproject.toml").write_text(PROJECT)
        (made.context / "requirements.txt").write_text("\n".join(PSYCOPG))
        yield made


def lock(builder: Builder) -> None:
    """``uv lock``, as the author of the application has run it."""
    stage = builder.stage("author", directory="/app")
    stage.copy(builder.context, "/app")
    well(stage.run("uv lock"))
    shutil.copy(stage.system.outside("/app/uv.lock"), builder.context)


def of_alpine(*words: str) -> str:
    """The Dockerfile for Alpine that has all these words."""
    (text,) = (
        text for text in blocks("dockerfile") if "/uv:alpine" in text and all(word in text for word in words)
    )
    return text


def test_a_locked_project(builder: Builder) -> None:
    lock(builder)
    text = of_alpine("uv.lock")
    well(builder.build(text).run(f".venv/bin/{WORKS}"))
    without = text.partition(" && uvx muslfix")[0]
    shutil.rmtree(builder.folder / "stage-0")
    assert builder.build(without).run(f".venv/bin/{WORKS}").status == 1


def test_the_last_of_several_stages_has_what_it_needs(builder: Builder) -> None:
    built = builder.build(of_alpine("--from=build"))
    assert not built.system.outside("/usr/local/bin/uv").exists()
    well(built.run(f"/opt/app/bin/{WORKS}"))


@pytest.mark.parametrize("key", ["- run: ", "- "])
def test_the_jobs_of_ci_services(builder: Builder, key: str) -> None:
    """Their first line; the second runs pytest, which the wheels of the lab do not hold."""
    (line,) = {
        line.strip().replace(key, "", 1)
        for text in blocks("yaml", "docs/recipes.md")
        for line in text.splitlines()
        if line.strip().startswith(f"{key}uv sync")
    }
    stage = builder.stage("job", directory="/app")
    stage.copy(builder.context, "/app")
    well(stage.run(line))
    well(stage.run(f".venv/bin/{WORKS}"))
