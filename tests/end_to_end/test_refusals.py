"""What must not be made importable, on real wheels: modules linked to the other libc.

The wheels of the two libcs have the same project and version, and differ in nothing but the build. The glibc
module of MarkupSafe even imports on musl once it has the right name, so the name is all that protects.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import re
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import Cli
from environments import site_packages
from lab import layout
from lab.layout import LabPython
from lab_modules import Lab, environment_for, find, modules_in
from trees import snapshot

pytestmark = pytest.mark.lab

PYTHONS = [pytest.param(python, id=python.name) for python in layout.PYTHONS]
PROJECT = "markupsafe"

# What is said of a glibc module, with the evidence among other pieces of it.
_GLIBC = r"(?m)^{}: other-libc: it is linked to glibc \(.*\blibc\.so\.6\b.*\), but the target uses musl$"


@pytest.fixture(params=PYTHONS)
def python(request: pytest.FixtureRequest) -> LabPython:
    """Each of the interpreters of the lab."""
    found: LabPython = request.param
    return found


@pytest.fixture
def musl_environment(python: LabPython, lab: Lab, tmp_path: Path) -> Path:
    """A virtual environment of it, with nothing in it."""
    return environment_for(python, lab, tmp_path / "environment")


def test_a_manylinux_wheel_is_refused_by_its_tags(
    python: LabPython, musl_environment: Path, lab: Lab, cli: Cli
) -> None:
    wheel = lab.wheel(f"manylinux-{python.tag}", PROJECT)
    before = snapshot(musl_environment)

    done = cli("install", wheel, "--python", musl_environment)

    assert (done.status, done.out) == (1, "")
    assert f"{wheel}: is for {python.tag}-{python.tag}-manylinux" in done.err
    assert f"musl {layout.MUSL}" in done.err
    assert snapshot(musl_environment) == before


@pytest.mark.parametrize("platform", ["linux_x86_64", "musllinux_1_2_x86_64"])
def test_a_glibc_wheel_with_tags_that_fit_is_refused_for_what_its_module_needs(
    python: LabPython, musl_environment: Path, platform: str, lab: Lab, cli: Cli, tmp_path: Path
) -> None:
    """On ``39-gnu`` and ``311-gnu`` even the module's name would be right."""
    original = lab.wheel(f"manylinux-{python.tag}", PROJECT)
    (module,) = modules_in(original)
    wheel = _retagged(original, f"{python.tag}-{python.tag}-{platform}", tmp_path)
    before = snapshot(musl_environment)

    done = cli("install", wheel, "--python", musl_environment)

    assert (done.status, done.out) == (1, "")
    assert re.search(_GLIBC.format(re.escape(module.file)), done.err)
    assert "tip: use a musllinux wheel of this project" in done.err
    assert snapshot(musl_environment) == before


@pytest.mark.parametrize("naming", ["right-name", "other-name"])
def test_one_glibc_module_among_good_ones_is_enough_to_refuse_all(
    python: LabPython, musl_environment: Path, naming: str, lab: Lab, cli: Cli, tmp_path: Path
) -> None:
    (glibc_module,) = modules_in(lab.wheel(f"manylinux-{python.tag}", PROJECT))
    with zipfile.ZipFile(lab.wheel(f"manylinux-{python.tag}", PROJECT)) as archive:
        content = archive.read(glibc_module.file)
    suffix = next(other.suffix for other in layout.PYTHONS if other.tag == python.tag and other != python)
    foreign = "charset_normalizer/foreign" + (python.suffix if naming == "right-name" else suffix)
    mixed = _rewritten(
        lab.wheel(python.tag, "charset_normalizer"), tmp_path, lambda files: {**files, foreign: content}
    )
    good = lab.wheel(python.tag, "pyyaml")
    before = snapshot(musl_environment)

    done = cli("install", good, mixed, "--python", musl_environment)

    assert (done.status, done.out) == (1, "")
    assert re.search(_GLIBC.format(re.escape(foreign)), done.err)
    assert f"error: {mixed}: has an extension module that the target cannot load" in done.err
    assert snapshot(musl_environment) == before


def test_a_refusal_leaves_the_version_that_is_there(
    python: LabPython, musl_environment: Path, lab: Lab, cli: Cli, tmp_path: Path
) -> None:
    wheel = lab.wheel(python.tag, PROJECT)
    foreign = _retagged(
        lab.wheel(f"manylinux-{python.tag}", PROJECT), f"{python.tag}-{python.tag}-linux_x86_64", tmp_path
    )
    assert cli("install", wheel, "--python", musl_environment).status == 0
    before = snapshot(musl_environment)

    done = cli("install", "--force-reinstall", foreign, "--python", musl_environment)

    assert (done.status, done.out) == (1, "")
    assert snapshot(musl_environment) == before
    (answer,) = find(musl_environment, modules_in(wheel)).values()
    assert answer is not None
    assert answer.is_extension


@pytest.mark.skipif(
    f"cp{sys.version_info[0]}{sys.version_info[1]}" not in {python.tag for python in layout.PYTHONS},
    reason="the lab has no wheels for the Python that runs the tests",
)
def test_a_musl_module_is_refused_on_glibc(environment: Path, lab: Lab, cli: Cli, tmp_path: Path) -> None:
    tag = f"cp{sys.version_info[0]}{sys.version_info[1]}"
    original = lab.wheel(tag, PROJECT)
    (module,) = modules_in(original)
    wheel = _retagged(original, f"{tag}-{tag}-linux_x86_64", tmp_path)
    before = snapshot(environment)

    refused = cli("install", original, "--python", environment)
    refused_too = cli("install", wheel, "--python", environment)

    assert (refused.status, refused_too.status) == (1, 1)
    assert f"{original}: is for {tag}-{tag}-musllinux_1_2_x86_64" in refused.err
    assert f"{module.file}: other-libc: it is linked to musl (needs libc.musl-x86_64.so.1" in refused_too.err
    assert snapshot(environment) == before
    assert not list(site_packages(environment).iterdir())


def _retagged(wheel: Path, tag: str, folder: Path) -> Path:
    """A copy of a wheel whose file name and WHEEL say that it is for another platform."""

    def change(files: dict[str, bytes]) -> dict[str, bytes]:
        (path,) = [path for path in files if path.endswith(".dist-info/WHEEL")]
        lines = files[path].decode().splitlines()
        kept = [line for line in lines if line and not line.startswith("Tag: ")]
        return {**files, path: "\n".join([*kept, f"Tag: {tag}", ""]).encode()}

    name, version = wheel.name.split("-")[:2]
    return _rewritten(wheel, folder, change, f"{name}-{version}-{tag}.whl")


def _rewritten(
    wheel: Path,
    folder: Path,
    change: Callable[[dict[str, bytes]], dict[str, bytes]],
    name: str | None = None,
) -> Path:
    """A copy of a wheel with other files, and a RECORD that is right again."""
    with zipfile.ZipFile(wheel) as archive:
        files = {path: archive.read(path) for path in archive.namelist() if not path.endswith("/")}
    (record,) = [path for path in files if path.endswith(".dist-info/RECORD")]
    files = change(files)
    rows = io.StringIO(newline="")
    writer = csv.writer(rows, lineterminator="\n")
    for path, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
        writer.writerow([path, "", ""] if path == record else [path, f"sha256={digest}", len(content)])
    files[record] = rows.getvalue().encode()
    copy = folder / (name or wheel.name)
    with zipfile.ZipFile(copy, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in files.items():
            archive.writestr(path, content)
    return copy
