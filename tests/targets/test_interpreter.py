"""Asking interpreters: the real ones of this machine, and programs that are none."""

from __future__ import annotations

import ast
import json
import os
import re
import select
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from elfmaker import make_elf
from environments import make_prefix
from real_pythons import HOST_PYTHONS, packaging_folder, tell

import muslfix.targets._probe
from muslfix.elf.facts import Machine, read_elf
from muslfix.errors import InterpreterError, InvalidTarget
from muslfix.suffix import Libc
from muslfix.targets.interpreter import probe_interpreter, read_target_file

LAB_PYTHONS = ["39-gnu", "39-musl", "311-gnu", "311-musl"]
PROBE = Path(muslfix.targets._probe.__file__)

every_host_python = pytest.mark.parametrize("python", HOST_PYTHONS.values(), ids=HOST_PYTHONS)


def make_venv(python: str, folder: Path) -> str:
    """A fresh virtual environment without pip, and the path of its interpreter."""
    subprocess.run([python, "-m", "venv", "--without-pip", folder], check=True, capture_output=True)
    return str(folder / "bin" / "python")


Program = Callable[..., str]


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """A maker of programs: an executable file with this content."""

    def make(content: str | bytes, name: str = "program", mode: int = 0o755) -> str:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        path.chmod(mode)
        return str(path)

    return make


def shell(script: str) -> str:
    return f"#!/bin/sh\n{script}\n"


def failure_of(executable: str, timeout: float = 30) -> InterpreterError:
    with pytest.raises(InterpreterError) as caught:
        probe_interpreter(executable, timeout=timeout)
    assert caught.value.path == executable
    return caught.value


# What a Python says of itself, by the public means of its standard library and with site loaded.
SELF = """
import importlib.machinery, sysconfig
paths = sysconfig.get_paths()
print(json.dumps({
    "extension_suffixes": importlib.machinery.EXTENSION_SUFFIXES,
    "soabi": sysconfig.get_config_var("SOABI"),
    "abi_flags": sys.abiflags,
    "platform": sysconfig.get_platform(),
    "prefix": sys.prefix,
    "virtual": sys.prefix != sys.base_prefix,
    "stdlib": sysconfig.get_path("stdlib"),
    "version": sys.version.split()[0],
}))
"""

# Where pip installs to. The pip is the one that is installed, or else that of ensurepip.
PIP_FOLDER = """
import glob
try:
    import pip
    found = [os.path.dirname(os.path.dirname(pip.__file__))]
except ImportError:
    import ensurepip
    found = glob.glob(os.path.join(os.path.dirname(ensurepip.__file__), "_bundled", "pip-*.whl"))
print(json.dumps(found))
"""
PIP_SCHEME = """
try:
    from pip._internal.locations import get_scheme
except ImportError:  # pip 18.1, which Python 3.6 brings
    from pip._internal.locations import distutils_scheme as get_scheme

def scheme(**options):
    scheme = get_scheme("name", **options)
    names = ["purelib", "platlib", "headers", "scripts", "data"]
    paths = {name: scheme[name] if isinstance(scheme, dict) else getattr(scheme, name) for name in names}
    paths["headers"] = os.path.dirname(paths["headers"])
    return paths

print(json.dumps([scheme(), scheme(prefix="/other")]))
"""


def assert_agrees_with_the_python_itself(python: str) -> None:
    target = probe_interpreter(python)
    said = tell(python, SELF)
    assert list(target.extension_suffixes) == said["extension_suffixes"]
    assert target.soabi == said["soabi"]
    assert target.abi_flags == said["abi_flags"]
    assert target.platform == said["platform"]
    assert target.prefix == said["prefix"]
    assert target.version == said["version"]
    assert (target.environment == "virtual environment") == said["virtual"]
    marker = os.path.join(said["stdlib"], "EXTERNALLY-MANAGED")
    assert target.externally_managed == (marker if os.path.exists(marker) and not said["virtual"] else None)
    assert target.executable == python
    assert target.runs_here


def assert_installs_where_pip_does(python: str, base: str) -> None:
    target = probe_interpreter(python)
    folder = tell(base, PIP_FOLDER)
    if not folder:
        pytest.skip("it has no pip")
    own, other = tell(python, PIP_SCHEME, *folder)
    assert vars(target.scheme) == own
    below_other = {name: os.path.join("/other", path) for name, path in vars(target.prefix_scheme).items()}
    assert {name: os.path.normpath(path) for name, path in below_other.items()} == _as_today(own, other)


def _as_today(own: dict[str, str], other: dict[str, str]) -> dict[str, str]:
    """What ``pip install --prefix /other`` of an older pip would be with today's.

    Before pypa/pip#13634 it took Debian's ``posix_local`` along, and pip 18 left the headers where they were.
    """
    today = {
        name: path.replace("/other/local", "/other").replace("dist-packages", "site-packages")
        for name, path in other.items()
    }
    today["headers"] = re.sub("^" + re.escape(own["data"] + "/"), "/other/", today["headers"])
    return today


@every_host_python
def test_facts_are_what_the_python_says_of_itself(python: str) -> None:
    assert_agrees_with_the_python_itself(python)


@every_host_python
def test_facts_inside_a_virtual_environment(python: str, tmp_path: Path) -> None:
    inner = make_venv(python, tmp_path / "venv")
    assert_agrees_with_the_python_itself(inner)
    target = probe_interpreter(inner)
    assert target.environment == "virtual environment"
    assert target.prefix == str(tmp_path / "venv")
    assert target.externally_managed is None
    outer = probe_interpreter(python)
    assert (target.loader, target.machine, target.libc_version) == (
        outer.loader,
        outer.machine,
        outer.libc_version,
    )


@every_host_python
def test_an_environment_with_its_mark_beside_the_interpreter(python: str, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(os.path.realpath(python))
    (tmp_path / "bin" / "pyvenv.cfg").write_text(f"home = {os.path.dirname(os.path.realpath(python))}\n")
    assert_agrees_with_the_python_itself(str(tmp_path / "bin" / "python"))


@every_host_python
def test_schemes_are_those_of_pip(python: str) -> None:
    assert_installs_where_pip_does(python, python)


@every_host_python
def test_schemes_inside_a_virtual_environment_are_those_of_pip(python: str, tmp_path: Path) -> None:
    assert_installs_where_pip_does(make_venv(python, tmp_path / "venv"), python)


@every_host_python
def test_markers_are_those_of_packaging(python: str) -> None:
    target = probe_interpreter(python)
    folder = packaging_folder(target.version)
    if folder is None:
        pytest.skip("this packaging does not run there")
    script = "from packaging.markers import default_environment\nprint(json.dumps(default_environment()))"
    assert dict(target.markers) == tell(python, script, folder)


@every_host_python
def test_distutils_says_what_sysconfig_says_where_nobody_patched_it(python: str, tmp_path: Path) -> None:
    """The part of the probe for the Python of a distribution before 3.10, run on others."""
    said = tell(python, SELF)
    if said["version"].startswith("3.1") or said["virtual"] or said["prefix"] == "/usr":
        pytest.skip("distutils does not decide there")
    script = PROBE.read_text().replace('if __name__ == "__main__":', "if False:") + (
        "import json\nprint(json.dumps([[_distutils_scheme(None), scheme()],"
        "[_distutils_scheme('/p'), _sysconfig_scheme('posix_prefix',"
        " dict.fromkeys(('base', 'platbase', 'installed_base'), '/p'), '/p')]]))"
    )
    for by_distutils, by_sysconfig in tell(python, script):
        assert by_distutils == by_sysconfig


@pytest.mark.lab
@pytest.mark.parametrize("name", LAB_PYTHONS)
def test_musl_interpreters(lab: Any, name: str, tmp_path: Path) -> None:
    python = lab.pythons[name]
    version, spelling = name.split("-")
    target = probe_interpreter(python)
    assert target.libc is Libc.MUSL
    assert target.libc_version == "1.2.5"
    assert target.machine == Machine("x86_64", 64, "little")
    assert os.path.basename(str(target.loader)) == "ld-musl-x86_64.so.1"
    assert target.extension_suffixes == (f".cpython-{version}-x86_64-linux-{spelling}.so", ".abi3.so", ".so")
    assert target.soabi == f"cpython-{version}-x86_64-linux-{spelling}"
    assert_agrees_with_the_python_itself(python)
    assert_agrees_with_the_python_itself(make_venv(python, tmp_path / "venv"))


@pytest.mark.lab
@pytest.mark.parametrize("name", LAB_PYTHONS)
def test_a_musl_loader_called_by_hand_is_the_one_that_counts(lab: Any, name: str, program: Program) -> None:
    python = lab.pythons[name]
    loader = probe_interpreter(python).loader
    other = str(loader).replace("musl-1.2.5", "musl-1.2.3")
    target = probe_interpreter(program(shell(f'exec {other} {python} "$@"')))
    assert (target.libc, target.libc_version) == (Libc.MUSL, "1.2.3")
    assert os.path.realpath(str(target.loader)) == os.path.realpath(other)
    assert target.executable == python


def test_the_libc_is_that_of_the_elf_file() -> None:
    target = probe_interpreter(sys.executable)
    with open(os.path.realpath(sys.executable), "rb") as file:
        elf = read_elf(file)
    assert target.loader == elf.interpreter
    assert target.machine == elf.machine
    assert (target.libc is Libc.MUSL) == os.path.basename(str(elf.interpreter)).startswith("ld-musl-")


def test_a_link_to_an_interpreter_keeps_its_own_path(tmp_path: Path) -> None:
    """Else a virtual environment, whose interpreter is a link, would be its base."""
    link = tmp_path / "python-link"
    link.symlink_to(HOST_PYTHONS["running"])
    assert probe_interpreter(str(link)).executable == str(link)


def test_a_path_beyond_ascii(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, python in enumerate(HOST_PYTHONS.values()):
        folder = tmp_path / f"Übung № {number}"
        inner = make_venv(python, folder)
        with monkeypatch.context() as changed:
            changed.setenv("LC_ALL", "C")
            assert probe_interpreter(inner).prefix == str(folder)


def test_environment_variables_and_the_current_folder_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("json", "os", "sysconfig", "sitecustomize", "linecache", "site"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('imported from the current folder')")
    expected = [probe_interpreter(python) for python in HOST_PYTHONS.values()]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("PYTHONHOME", "/nowhere")
    monkeypatch.setenv("PYTHONVERBOSE", "1")
    monkeypatch.setenv("_PYTHON_HOST_PLATFORM", "plan9-vax")
    monkeypatch.setenv("_PYTHON_SYSCONFIGDATA_NAME", "nothing")
    assert [probe_interpreter(python) for python in HOST_PYTHONS.values()] == expected


def test_the_probe_is_syntax_of_the_oldest_python_that_may_meet_it() -> None:
    ast.parse(PROBE.read_text(), feature_version=(3, 4))


@pytest.fixture
def own_prefix(tmp_path: Path) -> Path:
    """The prefix of a Python of its own, without bytecode yet."""
    return make_prefix(tmp_path / "prefix")


def test_the_probe_writes_nothing_into_the_target(own_prefix: Path) -> None:
    assert probe_interpreter(str(own_prefix / "bin" / "python3")).prefix == str(own_prefix)
    assert not list(own_prefix.rglob("*.pyc"))


def test_an_environment_of_conda(own_prefix: Path, tmp_path: Path) -> None:
    python = str(own_prefix / "bin" / "python3")
    assert probe_interpreter(python).environment == "system"
    (own_prefix / "conda-meta").mkdir()
    assert probe_interpreter(python).environment == "conda"
    assert probe_interpreter(make_venv(python, tmp_path / "venv")).environment == "virtual environment"


def test_the_marker_of_an_externally_managed_environment(own_prefix: Path, tmp_path: Path) -> None:
    python = str(own_prefix / "bin" / "python3")
    assert probe_interpreter(python).externally_managed is None
    (library,) = own_prefix.glob("lib*/python3*")
    (library / "EXTERNALLY-MANAGED").write_text("[externally-managed]\n")
    assert probe_interpreter(python).externally_managed == str(library / "EXTERNALLY-MANAGED")
    assert probe_interpreter(make_venv(python, tmp_path / "venv")).externally_managed is None


# Programs that lead to a Python


def python_here() -> str:
    return shlex.quote(sys.executable)


@pytest.mark.parametrize(
    "script",
    [
        'exec {} "$@"',
        'echo Welcome to the machine; exec {} "$@"',
        'printf "no line end"; {} "$@"; echo bye; echo careful >&2',
    ],
    ids=["shim", "banner", "noise on both sides"],
)
def test_a_script_that_runs_a_python(program: Program, script: str) -> None:
    target = probe_interpreter(program(shell(script.format(python_here()))))
    assert target == probe_interpreter(sys.executable)
    assert target.executable == sys.executable


def test_a_loader_called_by_hand(program: Program) -> None:
    direct = probe_interpreter(sys.executable)
    called = probe_interpreter(program(shell(f'exec {direct.loader} {python_here()} "$@"')))
    assert (called.libc, called.libc_version, called.machine) == (
        direct.libc,
        direct.libc_version,
        direct.machine,
    )
    assert os.path.realpath(str(called.loader)) == os.path.realpath(str(direct.loader))


# Programs that are no Python, or none that can be served


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo Hello; echo world", "is not a Python interpreter: it printed 'Hello' instead of an answer"),
        (
            "echo 'bad \033[31m thing' >&2",
            "is not a Python interpreter: it printed 'bad  [31m thing' instead of an answer",
        ),
        ("exit 0", "is not a Python interpreter: it ended without an answer"),
        ("cat", "is not a Python interpreter: it ended without an answer"),
        ("exit 3", "is not a working Python interpreter: it ended with status 3"),
        (
            "echo first >&2; echo no such library >&2; exit 127",
            "is not a working Python interpreter: it ended with status 127: no such library",
        ),
        ('echo "what is $5" >&2; exit 2', "is not a Python interpreter: it ended with status 2"),
        ("kill -SEGV $$", "crashed: it was ended by SIGSEGV"),
        ("kill -KILL $$", "crashed: it was ended by SIGKILL"),
        ("kill -40 $$", "crashed: it was ended by signal 40"),
        ("exec yes", "printed more than 1 MiB instead of an answer, and was stopped"),
        ("exec yes >&2", "printed more than 1 MiB instead of an answer, and was stopped"),
        ('echo "$5"', "is not a Python interpreter: it printed '# ruff: noqa: UP032' instead of an answer"),
        (
            "echo 'muslfix-probe: {'",
            "is not a Python interpreter: it printed 'muslfix-probe: {' instead of an answer",
        ),
        ("echo 'muslfix-probe: {]}'", "gave a damaged answer: it is not JSON (Expecting property name"),
        ("echo 'muslfix-probe: {}'", "gives facts that cannot be true: implementation is missing"),
        (
            """echo 'muslfix-probe: {"implementation": "cpython", "version": "3.5.10"}'""",
            "is Python 3.5.10; muslfix serves CPython 3.6 and later",
        ),
        (
            """echo 'muslfix-probe: {"implementation": "pypy", "version": "3.10.14"}'""",
            "is PyPy; muslfix serves CPython only",
        ),
        (
            """echo 'muslfix-probe: {"implementation": "graalpy", "version": "3.11.7"}'""",
            "is GraalPy; muslfix serves CPython only",
        ),
        (
            """echo 'muslfix-probe: {"implementation": "cpython", "version": "3.12.0"}'""",
            "does not tell which file it is",
        ),
        (
            """echo 'muslfix-probe: {"implementation": "cpython", "version": "3.12", "image": "/bin/sh"}'""",
            "gives facts that cannot be true: extension_suffixes is missing",
        ),
        (
            """echo 'muslfix-probe: {"implementation": "cpython", "version": "3.12.0", "image": "/nope"}'""",
            "runs /nope, which cannot be read",
        ),
        (
            'echo \'muslfix-probe: {"implementation": "cpython", "version": "3", "image": "/etc/passwd"}\'',
            "runs /etc/passwd, which is not an ELF file",
        ),
    ],
)
def test_a_program_that_does_not_answer_like_a_python(program: Program, script: str, reason: str) -> None:
    error = failure_of(program(shell(script)))
    assert error.reason.startswith(reason)


def test_a_wrapper_that_runs_python_twice(program: Program) -> None:
    error = failure_of(program(shell(f'{python_here()} "$@"; {python_here()} "$@"')))
    assert error.reason == "answered 2 times"


def test_a_program_that_hangs_is_killed_with_all_that_it_started(program: Program, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    error = failure_of(program(shell(f"exec 9>{fifo}; echo started >&9; sleep 600 & wait")), timeout=2)
    assert error.reason == "did not answer within 2 seconds, and was stopped"
    assert os.read(reader, 100) == b"started\n"
    gone, _, _ = select.select([reader], [], [], 20)  # until the last of those who could write is gone
    assert gone
    assert os.read(reader, 100) == b""
    os.close(reader)


def test_a_program_that_closes_its_output_and_hangs(program: Program) -> None:
    error = failure_of(program(shell("exec >&- 2>&-; exec sleep 600")), timeout=1)
    assert error.reason == "did not answer within 1 seconds, and was stopped"


def test_something_in_the_background_is_not_waited_for(program: Program) -> None:
    target = probe_interpreter(program(shell(f'sleep 20 & exec {python_here()} "$@"')), timeout=15)
    assert target == probe_interpreter(sys.executable)


@pytest.mark.skipif(not Path.home().joinpath(".pyenv/versions/2.7.18").exists(), reason="needs a Python 2.7")
def test_python_2() -> None:
    error = failure_of(str(Path.home() / ".pyenv/versions/2.7.18/bin/python"))
    assert error.reason == "is a Python older than 3.4; muslfix serves CPython 3.6 and later"


# Files that cannot be started


def test_what_does_not_exist(tmp_path: Path) -> None:
    assert failure_of(str(tmp_path / "python")).reason == "does not exist"
    assert failure_of(str(tmp_path / "no folder" / "python")).reason == "does not exist"


def test_a_link_to_what_does_not_exist(tmp_path: Path) -> None:
    """A virtual environment whose base was uninstalled."""
    (tmp_path / "python").symlink_to("/opt/python/bin/python3")
    error = failure_of(str(tmp_path / "python"))
    assert error.reason == "is a link to /opt/python/bin/python3, which does not exist"


def test_a_folder(tmp_path: Path) -> None:
    assert failure_of(str(tmp_path)).reason == "is a directory"


def test_a_name_that_no_file_can_have(tmp_path: Path) -> None:
    assert failure_of(f"{tmp_path}/a\0b").reason == "cannot be started (embedded null byte)"
    assert failure_of(f"{tmp_path}/{'long' * 100}").reason == "cannot be started (File name too long)"
    loop = tmp_path / "loop"
    loop.symlink_to("loop")
    assert failure_of(str(loop)).reason == "is a link to loop, which does not exist"


def test_a_file_that_is_not_executable(program: Program) -> None:
    assert failure_of(program("print()", mode=0o644)).reason == "is not executable"


@pytest.mark.parametrize("content", [b"", b"just text\n", bytes(1000)], ids=["empty", "text", "zeros"])
def test_an_executable_file_that_is_no_program(program: Program, content: bytes) -> None:
    assert failure_of(program(content)).reason == "is not a program: neither an ELF file nor a script"


def test_a_program_that_is_damaged(program: Program) -> None:
    assert failure_of(program(make_elf()[:100])).reason.startswith("is not a program: it points to byte 120")


def test_a_script_for_a_program_that_is_not_there(program: Program) -> None:
    error = failure_of(program("#!/nope/python3 -I\n"))
    assert error.reason == "is a script for /nope/python3 -I, which cannot be started"


def test_a_program_for_another_machine(program: Program) -> None:
    error = failure_of(program(make_elf("s390", byte_order="big", interpreter="/bin/true")))
    assert error.reason == "is a program for s390 64-bit big-endian, which this machine cannot run"
    assert "--target-file" in str(error.tip)


def real_elf_with_loader(replacement: Callable[[bytes], bytes]) -> bytes:
    """The program of the running Python, with another loader of the same length in it."""
    path = Path(os.path.realpath(sys.executable))
    with path.open("rb") as file:
        loader = str(read_elf(file).interpreter).encode()
    return path.read_bytes().replace(loader + b"\0", replacement(loader) + b"\0", 1)


def test_a_program_whose_loader_is_missing(program: Program) -> None:
    """What an interpreter of Alpine is on a glibc host."""
    error = failure_of(program(real_elf_with_loader(lambda loader: loader.replace(b"/lib", b"/nil", 1))))
    assert re.fullmatch("needs the loader /nil.*, which is not on this machine", error.reason)
    assert "--target-file" in str(error.tip)


# Answers about other ELF files: the running Python's, with another file in it


@pytest.fixture
def answering(program: Program, tmp_path: Path) -> Callable[..., str]:
    """A maker of programs that answer like the running Python, but for some facts."""
    command = [sys.executable, "-I", "-S", "-c", PROBE.read_text()]
    told = subprocess.run(command, capture_output=True, check=True).stdout.decode()
    answer = json.loads(told.strip()[len(muslfix.targets._probe.MARK) :])

    def make(**changes: Any) -> str:
        text = muslfix.targets._probe.MARK + json.dumps({**answer, **changes})
        (tmp_path / "answer").write_text(text + "\n")
        return program(shell(f"cat {tmp_path}/answer"))

    return make


def test_a_static_python(answering: Callable[..., str], program: Program) -> None:
    static = program(make_elf(), "static")
    error = failure_of(answering(image=static, executable=static))
    assert error.reason == "is linked statically, so it can load no extension module"


@pytest.mark.parametrize("loader", ["/system/bin/linker64", "/lib/ld-uClibc.so.0"])
def test_a_loader_of_another_libc(answering: Callable[..., str], program: Program, loader: str) -> None:
    other = program(make_elf(interpreter=loader), "other")
    error = failure_of(answering(image=other))
    assert error.reason == f"has the loader {loader}, which is neither musl's nor glibc's"


@pytest.mark.parametrize(
    ("loader", "libc"),
    [
        ("/lib64/ld-linux-x86-64.so.2", Libc.GLIBC),
        ("/lib/ld-linux-armhf.so.3", Libc.GLIBC),
        ("/lib64/ld64.so.2", Libc.GLIBC),
        ("/lib/ld.so.1", Libc.GLIBC),
        ("/nope/ld-musl-x86_64.so.1", Libc.MUSL),
        ("/nope/ld-musl-armhf.so.1", Libc.MUSL),
    ],
)
def test_the_libc_by_the_name_of_the_loader(
    answering: Callable[..., str], program: Program, loader: str, libc: Libc
) -> None:
    other = program(make_elf(interpreter=loader), "other")
    target = probe_interpreter(answering(image=other))
    assert (target.libc, target.loader) == (libc, loader)


def test_the_machine_with_its_calling_convention(answering: Callable[..., str], program: Program) -> None:
    elf = make_elf("arm", bits=32, flags=0x5000400, interpreter="/lib/ld-linux-armhf.so.3")
    target = probe_interpreter(answering(image=program(elf, "other")))
    assert target.machine == Machine("arm", 32, "little", "hard-float")


def test_the_image_counts_more_than_the_name(answering: Callable[..., str], program: Program) -> None:
    """A compiled wrapper keeps its own name for the Python that it becomes."""
    image = program(make_elf(interpreter="/lib/ld-musl-x86_64.so.1"), "image")
    wrapper = program(make_elf(interpreter="/lib64/ld-linux-x86-64.so.2"), "wrapper")
    target = probe_interpreter(answering(image=image, executable=wrapper))
    assert (target.libc, target.executable) == (Libc.MUSL, wrapper)
    # Without /proc, and where the image was replaced, the name is what remains.
    for unknown in (None, f"{image} (deleted)"):
        assert probe_interpreter(answering(image=unknown, executable=wrapper)).libc is Libc.GLIBC


@pytest.mark.parametrize(
    ("told", "version"),
    [
        ("glibc 2.36", "2.36"),
        ("glibc 2.20-2014.11", "2.20"),
        ("musl", None),
        ("glibc two", None),
        (None, None),
    ],
)
def test_the_version_of_glibc(
    answering: Callable[..., str], program: Program, told: str | None, version: str | None
) -> None:
    image = program(make_elf(interpreter="/lib64/ld-linux-x86-64.so.2"), "image")
    assert probe_interpreter(answering(image=image, glibc_version=told)).libc_version == version


@pytest.mark.parametrize(
    ("loader", "version"),
    [
        (
            shell("printf 'musl libc (x86_64)\\nVersion 1.2.5\\nDynamic Program Loader\\n' >&2; exit 1"),
            "1.2.5",
        ),
        (shell("printf 'musl libc (armhf)\\nVersion 1.1.24-git-3-g1a2b\\n' >&2; exit 1"), "1.1.24"),
        (shell("printf 'musl libc (x86_64)\\nVersion 1.2.5\\n'"), None),  # not on stderr
        (shell("echo Version 1.2.5 >&2"), None),
        (shell("kill -SEGV $$"), None),
        (shell("sleep 600"), None),
        (make_elf("s390", byte_order="big"), None),
        (make_elf("s390", byte_order="big") + b"\0musl libc (s390x)\nVersion %s\0" + b"1.2.4\0", "1.2.4"),
        (shell("kill -SEGV $$").encode() + b"\0musl libc (x86_64)\n\0" + b"1.2.3\0", "1.2.3"),
        (b"", None),
        (None, "1.2.2"),
    ],
    ids=[
        "musl",
        "from git",
        "stdout",
        "no musl",
        "crashes",
        "hangs",
        "other machine",
        "musl for another machine",
        "musl that crashes",
        "empty",
        "not executable",
    ],
)
def test_the_version_of_musl(
    answering: Callable[..., str], program: Program, loader: str | bytes | None, version: str | None
) -> None:
    barred = b"\0musl libc (x86_64)\n\0" + b"1.2.2\0"
    path = program(
        loader if loader is not None else barred, "ld-musl-x86_64.so.1", 0o755 if loader else 0o644
    )
    python = answering(image=program(make_elf(interpreter=path), "image"), glibc_version="glibc 2.8")
    target = probe_interpreter(python, timeout=2)
    assert (target.libc, target.libc_version) == (Libc.MUSL, version)


@pytest.mark.parametrize("suffixes", [None, 1, ".so", [None], {}])
def test_suffixes_that_are_none(answering: Callable[..., str], suffixes: Any) -> None:
    error = failure_of(answering(extension_suffixes=suffixes))
    assert error.reason.startswith("gives facts that cannot be true: extension_suffixes")


def test_facts_that_contradict_each_other(answering: Callable[..., str]) -> None:
    error = failure_of(answering(version="3.7.1", extension_suffixes=[".so"]))
    assert error.reason.startswith("gives facts that cannot be true: markers.python_version is 3.")
    error = failure_of(answering(executable=""))
    assert error.reason == "gives facts that cannot be true: executable is '', which is not an absolute path"


# Target files


def test_a_target_file(tmp_path: Path) -> None:
    target = probe_interpreter(sys.executable)
    (tmp_path / "target.json").write_text(target.to_json())
    read = read_target_file(str(tmp_path / "target.json"))
    assert read == target
    assert not read.runs_here


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is not JSON (Expecting value"),
        (b"\xff", "is not JSON ('utf-8' codec can't decode byte 0xff"),
        (b"{}", "format is missing"),
        (b'{"format": 99}', "has format 99, and this muslfix reads format 1"),
        (b" " * 1_048_577, "is larger than 1 MiB, so it is not a target file"),
    ],
    ids=["empty", "no text", "no facts", "future", "large"],
)
def test_a_file_that_is_no_target(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "target.json"
    path.write_bytes(content)
    with pytest.raises(InvalidTarget) as caught:
        read_target_file(str(path))
    assert caught.value.path == str(path)
    assert caught.value.reason.startswith(reason)


def test_a_target_file_that_cannot_be_read(tmp_path: Path) -> None:
    for path, reason in ((tmp_path / "nope", "No such file or directory"), (tmp_path, "Is a directory")):
        with pytest.raises(InvalidTarget, match=f"cannot be read .{reason}") as caught:
            read_target_file(str(path))
        assert caught.value.path == str(path)
