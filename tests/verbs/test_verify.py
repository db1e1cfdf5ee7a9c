"""``muslfix verify``: what differs from RECORD is said, all of it, and nothing is changed or waited for."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import Cli
from environments import install_by_installer, pip, run_python, site_packages, well
from faults import forked
from misnamed import (
    MODES,
    MODULE,
    ODD,
    RIGHT,
    WRONG,
    actions,
    demo_files,
    dist_info,
    hash_of,
    lay,
    make_demo,
    problems,
    record_of,
    row_of,
    running,
    write_record,
)
from required import lacks
from trees import states
from wheelmaker import make_wheel

import muslfix
from muslfix.report.report import Report
from muslfix.verbs.fix import FixOptions, fix
from muslfix.verbs.install import install
from muslfix.verbs.install_options import InstallOptions
from muslfix.verbs.verify import VerifyOptions, verify
from muslfix.verdicts import Mode

OLD, NEW = f"demo/_speed{WRONG}", f"demo/_speed{RIGHT}"


def verify_all(*sites: Path) -> Report:
    return verify([], running(), VerifyOptions(tuple(map(str, sites))))


def findings(report: Report) -> list[tuple[str, str]]:
    return [(file.path, file.finding) for project in report.projects for file in project.files]


WELL = "1 project: all files are as RECORD says.\n"

# -- all is well ------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
def test_after_a_fix(tmp_path: Path, cli: Cli, mode: str) -> None:
    site = lay(tmp_path / "site", files=demo_files())
    fix([], running(), FixOptions(Mode(mode), (str(site),)))
    before = states(site)
    told = cli("verify", "--path", site)
    assert (told.status, told.out, told.err) == (0, WELL, "")
    told = cli("verify", "--path", site, "--verbose")
    assert told.out == f"{WELL}demo 1.0: as RECORD says\n"
    assert states(site) == before


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("compiled", [False, True])
def test_after_an_installation(environment: Path, tmp_path: Path, mode: str, compiled: bool) -> None:
    python = str(environment / "bin" / "python")
    target = muslfix.probe(python)
    install([str(make_demo(tmp_path))], target, InstallOptions(mode=Mode(mode), compile=compiled))
    report = verify([], target)
    assert (actions(report), findings(report), report.is_well) == ({"demo": "verified"}, [], True)


@pytest.mark.parametrize("tool", ["pip", "installer"])
def test_after_other_tools_with_scripts_and_bytecode(
    environment: Path, tmp_path: Path, cli: Cli, tool: str
) -> None:
    wheel = make_demo(tmp_path)
    if tool == "pip":
        well(pip(environment, "install", "--no-index", "--no-deps", wheel))
        assert list(environment.rglob("*.pyc"))
    else:
        install_by_installer(environment, wheel)
    assert cli("verify", "--python", environment).status == 0
    run_python(environment, "import demo.sub")  # writes bytecode, which no RECORD lists
    assert cli("verify", "--python", environment).out.endswith(": all files are as RECORD says.\n")
    for path in environment.rglob("*.pyc"):  # and it can go
        path.unlink()
    assert cli("verify", "--python", environment).out.endswith(": all files are as RECORD says.\n")
    (environment / "bin" / "demo").unlink()
    (environment / "bin" / "demo-script").write_text("changed")
    told = cli("verify", "--python", environment)
    assert told.status == 1
    summary, about, missing, changed = told.out.splitlines()
    assert summary.endswith(": 1 not as RECORD says.")
    assert changed.startswith("  ../../../bin/demo-script: changed: it has 7 bytes, but RECORD says ")
    assert missing == "  ../../../bin/demo: missing: RECORD lists it, but it does not exist"
    assert about == "demo 1.0: not as RECORD says"


def test_two_projects_share_a_folder(tmp_path: Path) -> None:
    """A namespace package: what is in it belongs to several projects, and each file to one."""
    site = tmp_path / "site"
    lay(site, "one", {"shared/one.py": b"", "shared/one/data": b""})
    lay(site, "two", {"shared/two.py": b"", "shared/one/more": b""})
    assert verify_all(site).is_well
    (site / "shared" / "three.py").touch()
    assert findings(verify_all(site)) == [("shared/three.py", "unlisted")] * 2
    report = verify(["two"], running(), VerifyOptions((str(site),)))
    assert (actions(report), findings(report)) == ({"two": "differs"}, [("shared/three.py", "unlisted")])


def test_a_neighbour_whose_record_is_damaged_lists_nothing(tmp_path: Path) -> None:
    site = lay(tmp_path / "site", "one", {"shared/one.py": b""})
    lay(site, "two", {"shared/two.py": b""}, record=lambda _: "damaged\n")
    report = verify_all(site)
    assert actions(report) == {"one": "differs", "two": "failed"}
    assert findings(report) == [("shared/two.py", "unlisted")]
    assert problems(report) == {
        "two": f"{site}/two-1.0.dist-info/RECORD: has 1 fields instead of 3 in line 1",
    }


def test_what_another_tool_owns_is_verified_like_all(tmp_path: Path) -> None:
    assert actions(verify_all(lay(tmp_path, installer="dpkg"))) == {"demo": "verified"}


def test_what_has_no_record_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "old-1.0.egg-info").mkdir()
    report = verify_all(tmp_path)
    assert (actions(report), report.is_well) == ({"old": "skipped"}, False)


def test_several_folders(tmp_path: Path) -> None:
    one, two = lay(tmp_path / "one", "one"), lay(tmp_path / "two", "two")
    assert actions(verify_all(one, two, one)) == {"one": "verified", "two": "verified"}


def test_the_function_takes_no_options_too(environment: Path) -> None:
    lay(site_packages(environment))
    target = muslfix.probe(str(environment / "bin" / "python"))
    assert actions(verify([], target)) == {"demo": "verified"}


# -- what is not ------------------------------------------------------------------------------------


def _write(path: str, content: bytes) -> Callable[[Path], None]:
    def write(site: Path) -> None:
        (site / path).parent.mkdir(parents=True, exist_ok=True)
        (site / path).write_bytes(content)

    return write


def _remove(path: str) -> Callable[[Path], None]:
    return lambda site: (site / path).unlink()


def _link(path: str, leads_to: str) -> Callable[[Path], None]:
    def link(site: Path) -> None:
        (site / path).unlink(missing_ok=True)
        (site / path).symlink_to(leads_to)

    return link


def _row(path: str, row: str) -> Callable[[Path], None]:
    def change(site: Path) -> None:
        rows = record_of(site).splitlines(keepends=True)
        assert sum(line.startswith(path + ",") for line in rows) == 1
        write_record(site, "".join(row if line.startswith(path + ",") else line for line in rows))

    return change


def _pipe(path: str) -> Callable[[Path], None]:
    def make(site: Path) -> None:
        (site / path).unlink()
        os.mkfifo(site / path)

    return make


def _folder(path: str) -> Callable[[Path], None]:
    def make(site: Path) -> None:
        (site / path).unlink()
        (site / path).mkdir()

    return make


def _linked_folder(site: Path) -> None:
    shutil.move(site / "demo" / "sub", site.parent / "sub")
    (site / "demo" / "sub").symlink_to("../../sub")


def _new_linked_folder(site: Path) -> None:
    (site / "demo" / "etc").symlink_to("/etc")


INIT = "demo/__init__.py"
SIZE = len(demo_files()[INIT])
NOT_THERE = "RECORD lists it, but it does not exist"
NO_ROW = "its row in RECORD cannot be read"
CASES: dict[str, tuple[Callable[[Path], None], list[str]]] = {
    "missing": (_remove(INIT), [f"{INIT}: missing: {NOT_THERE}"]),
    "an odd name missing": (_remove(ODD), [f"{ODD}: missing: {NOT_THERE}"]),
    "module missing": (
        _remove(OLD),
        [
            f"{NEW}: link-broken: it is a link to {{site}}/{OLD}, which does not exist",
            f"{OLD}: missing: {NOT_THERE}",
        ],
    ),
    "shorter": (_write(INIT, b"x"), [f"{INIT}: changed: it has 1 bytes, but RECORD says {SIZE}"]),
    "another content": (
        _write(INIT, b"x" * SIZE),
        [f"{INIT}: changed: its sha256 differs from the one in RECORD"],
    ),
    "another algorithm": (
        _row(INIT, f"{INIT},{hash_of(b'', 'sha512')},\n"),
        [f"{INIT}: changed: its sha512 differs from the one in RECORD"],
    ),
    "sound, without size": (_row(INIT, f"{INIT},{hash_of(demo_files()[INIT])},\n"), []),
    "sound, by another algorithm": (
        _row(INIT, f"{INIT},{hash_of(demo_files()[INIT], 'sha384')},{SIZE}\n"),
        [],
    ),
    "sound, with a padded hash": (_row(INIT, f"{INIT},{hash_of(demo_files()[INIT])}=,{SIZE}\n"), []),
    "sound, without hash": (_row(INIT, f"{INIT},,{SIZE}\n"), []),
    "another size without hash": (
        _row(INIT, f"{INIT},,1\n"),
        [f"{INIT}: changed: it has {SIZE} bytes, but RECORD says 1"],
    ),
    "unknown algorithm": (_row(INIT, f"{INIT},sha257=YWI,\n"), [f"{INIT}: changed: {NO_ROW}"]),
    "algorithm without length": (_row(INIT, f"{INIT},shake_256=YWI,\n"), [f"{INIT}: changed: {NO_ROW}"]),
    "hash without algorithm": (_row(INIT, f"{INIT},=YWI,\n"), [f"{INIT}: changed: {NO_ROW}"]),
    "hash without digest": (_row(INIT, f"{INIT},sha256,\n"), [f"{INIT}: changed: {NO_ROW}"]),
    "size that is none": (_row(INIT, f"{INIT},,many\n"), [f"{INIT}: changed: {NO_ROW}"]),
    "unlisted": (
        _write("demo/new.py", b""),
        ["demo/new.py: unlisted: no RECORD lists it"],
    ),
    "unlisted in a new folder": (
        _write("demo/new/deep/file", b""),
        ["demo/new/deep/file: unlisted: no RECORD lists it"],
    ),
    "unlisted in dist-info": (
        _write("demo-1.0.dist-info/direct_url.json", b"{}"),
        ["demo-1.0.dist-info/direct_url.json: unlisted: no RECORD lists it"],
    ),
    "unlisted link to a folder": (
        _new_linked_folder,
        ["demo/etc: unlisted: no RECORD lists it"],
    ),
    "unlisted beside the project": (_write("elsewhere.py", b""), []),
    "unlisted bytecode": (_write("demo/__pycache__/new.cpython-39.pyc", b""), []),
    "link to another file": (
        _link(NEW, "__init__.py"),
        [f"{NEW}: changed: it has {SIZE} bytes, but RECORD says {len(MODULE)}"],
    ),
    "broken link": (
        _link(NEW, "nowhere"),
        [f"{NEW}: link-broken: it is a link to {{site}}/demo/nowhere, which does not exist"],
    ),
    "link to itself": (
        _link(NEW, f"_speed{RIGHT}"),
        [f"{NEW}: link-broken: it is a link to {{site}}/{NEW}, which does not exist"],
    ),
    "link outside": (
        _link(NEW, "../../outside.so"),
        [f"{NEW}: link-outside: it is a link to {{outside}}, which is not in the environment"],
    ),
    "absolute link outside": (
        _link(INIT, "/dev/null"),
        [
            f"{INIT}: link-outside: it is a link to /dev/null, which is not in the environment",
            f"{INIT}: changed: it is not a file",
        ],
    ),
    "link to what has no end": (
        _link("demo/sub/__init__.py", "/dev/zero"),
        [
            "demo/sub/__init__.py: link-outside: it is a link to /dev/zero, which is not in the environment",
            "demo/sub/__init__.py: changed: it is not a file",
        ],
    ),
    "pipe": (
        _pipe("demo/sub/__init__.py"),
        ["demo/sub/__init__.py: changed: it is not a file"],
    ),
    "folder in place of a file": (
        _folder("demo/sub/__init__.py"),
        ["demo/sub/__init__.py: changed: it is not a file"],
    ),
    "absolute row of what has no end": (
        lambda site: write_record(site, record_of(site) + "/dev/zero,sha256=YWI,\n"),
        ["/dev/zero: changed: it is not a file"],
    ),
    "absolute row of what has no size": (
        lambda site: write_record(site, record_of(site) + "/proc/self/mem,sha256=YWI,\n"),
        ["/proc/self/mem: changed: its sha256 differs from the one in RECORD"],
    ),
    "row outside, missing": (
        lambda site: write_record(site, record_of(site) + "../../nowhere,,\n"),
        [f"../../nowhere: missing: {NOT_THERE}"],
    ),
    "row outside, right": (
        lambda site: write_record(site, record_of(site) + row_of("../outside.so", MODULE)),
        [],
    ),
    "row outside, changed": (
        lambda site: write_record(site, record_of(site) + row_of("../outside.so", b"x")),
        [f"../outside.so: changed: it has {len(MODULE)} bytes, but RECORD says 1"],
    ),
    "row of a path that cannot be": (
        lambda site: write_record(site, record_of(site) + "x" * 300 + ",,\n"),
        ["x" * 300 + f": missing: {NOT_THERE}"],
    ),
    "bytecode missing": (
        lambda site: write_record(site, record_of(site) + "demo/__pycache__/a.cpython-39.pyc,,\n"),
        [],
    ),
    "a folder that is a link": (
        _linked_folder,
        [
            "demo/sub: unlisted: no RECORD lists it",
            f"demo/sub/_speed{RIGHT}: link-outside: it is a link to {{outside}},"
            " which is not in the environment",
        ],
    ),
}


@pytest.mark.parametrize("kind", CASES)
def test_what_differs(tmp_path: Path, cli: Cli, kind: str) -> None:
    change, sentences = CASES[kind]
    (tmp_path / "outside.so").write_bytes(MODULE)
    site = lay(tmp_path / "site", files=demo_files())
    fix([], running(), FixOptions(paths=(str(site),)))
    change(site)
    before = states(tmp_path)

    told = cli("verify", "--path", site)

    outside = tmp_path / ("outside.so" if kind == "link outside" else f"sub/_speed{WRONG}")
    said = [
        sentence.replace("{site}", str(site)).replace("{outside}", str(outside)) for sentence in sentences
    ]
    assert (told.status, told.err) == (1 if said else 0, "")
    lines = told.out.splitlines()
    if said:
        assert lines[:2] == ["1 project: 1 not as RECORD says.", "demo 1.0: not as RECORD says"]
        assert sorted(lines[2:]) == sorted(f"  {line}" for line in said)
    else:
        assert lines == [WELL.rstrip()]
    assert states(tmp_path) == before


def test_no_folder_is_entered_by_a_link(tmp_path: Path) -> None:
    """A RECORD can name a folder that is a link to the whole machine."""
    site = lay(tmp_path / "site")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "file").touch()
    (site / "link").symlink_to("../outside")
    write_record(site, record_of(site) + "link/nowhere,,\n")
    assert findings(verify_all(site)) == [("link/nowhere", "missing")]


def test_an_empty_record(tmp_path: Path) -> None:
    site = lay(tmp_path / "site", record=lambda _: b"")
    assert verify_all(site).is_well


@pytest.mark.parametrize("kind", ["no RECORD", "damaged"])
def test_what_cannot_be_verified(tmp_path: Path, cli: Cli, kind: str) -> None:
    site = lay(tmp_path / "site")
    path = dist_info(site) / "RECORD"
    path.unlink()
    if kind == "damaged":
        path.write_text("a\n")
    told = cli("verify", "--path", site)
    assert told.status == 1
    assert f"\ndemo 1.0: failed: {path}: " in told.out


def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    """Read by somebody else than root, whom nothing is forbidden."""
    if os.geteuid() != 0:
        lacks("only root can become somebody else")
    result = tmp_path / "result"
    with tempfile.TemporaryDirectory() as folder:  # pytest's own folders are closed to others
        os.chmod(folder, 0o755)
        site = lay(Path(folder))
        (site / INIT).chmod(0)

        def work() -> int:
            os.setgid(65534)
            os.setuid(65534)
            sys.stdout.writelines(
                str(file) for project in verify_all(site).projects for file in project.files
            )
            return 0

        running()
        assert forked(work, result) == 0
    assert result.read_text() == f"{INIT}: changed: it cannot be read (Permission denied)"


# -- what installers do -----------------------------------------------------------------------------


def test_links_of_a_whole_project_are_told_in_one_line(tmp_path: Path, cli: Cli) -> None:
    """``uv --link-mode symlink`` makes every file a link into its cache."""
    site, cache = tmp_path / "site", tmp_path / "cache"
    files = {f"demo/m{n}.py": b"" for n in range(9)}
    lay(site, files=files)
    cache.mkdir()
    for path in files:
        (site / path).rename(cache / Path(path).name)
        (site / path).symlink_to(cache / Path(path).name)
    told = cli("verify", "--path", site)
    where = f"it is a link to {cache}/m0.py, which is not in the environment"
    assert (told.status, told.out.split("\n")) == (
        1,
        [
            "1 project: 1 not as RECORD says.",
            "demo 1.0: not as RECORD says",
            f"  demo/m0.py: link-outside: {where}",
            "  and 8 more link-outside (-v names all)",
            "",
        ],
    )
    assert cli("verify", "-v", "--path", site).out.count("link-outside") == 9
    assert len(findings(verify_all(site))) == 9


@pytest.mark.parametrize("by", ["pip", "muslfix"])
def test_scripts_in_a_flat_folder(environment: Path, tmp_path: Path, by: str) -> None:
    """pip lists ``../../bin/x`` of a script that it puts into ``bin`` of the folder."""
    wheel = make_wheel(
        tmp_path / "demo-1.0-py3-none-any.whl",
        {"demo.py": b"", "demo-1.0.dist-info/entry_points.txt": b"[console_scripts]\ndemo = demo:main\n"},
    )
    site = tmp_path / "site"
    if by == "pip":
        pip(environment, "install", "--no-deps", "--no-index", "--target", site, wheel)
        assert "../../bin/demo," in (site / "demo-1.0.dist-info/RECORD").read_text()
    else:
        install([str(wheel)], running(), InstallOptions(folder=str(site)))
    assert (site / "bin/demo").is_file()
    assert verify_all(site).is_well
    (site / "bin/demo").write_text("changed")
    (found,) = findings(verify_all(site))
    assert found[1] == "changed"
    (site / "bin/demo").unlink()
    (found,) = findings(verify_all(site))
    assert found[1] == "missing"


@pytest.mark.parametrize(
    "name", ["bin/python", "pyvenv.cfg", "lib/python3.11/os.py", "bin/activate.xsh", "lib64/python311.zip"]
)
def test_what_belongs_to_the_interpreter_is_not_its_own(tmp_path: Path, name: str) -> None:
    site = lay(tmp_path / "lib" / "python3.11" / "site-packages")
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    (tmp_path / "bin").mkdir(exist_ok=True)
    (tmp_path / "bin" / "demo").write_bytes(b"")
    rows = [row_of(f"../../../{other}", b"") for other in (name, "bin/demo")]
    write_record(site, record_of(site) + "".join(rows))
    (found,) = verify_all(site).projects[0].files
    assert (found.path, found.finding) == (f"../../../{name}", "not-its-own")
