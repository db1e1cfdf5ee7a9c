"""What the interpreters are built with: two musls, a compiler that links to them, and four static libraries.

Nothing of it is installed. Each musl is a folder of the lab with its own loader; a program that has such a
loader's path in its ``PT_INTERP`` runs on that musl. The loader looks for libraries where the path file
``etc/ld-musl-x86_64.path`` beside its ``lib`` folder says.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from . import layout, sources
from .processes import LabError
from .steps import Bench, Step

FLAGS = "-O1 -fPIC"

KERNEL_HEADERS = {
    "linux": ("/usr/include/linux",),
    "asm-generic": ("/usr/include/asm-generic",),
    "asm": ("/usr/include/x86_64-linux-gnu/asm", "/usr/include/asm"),
}

COMPILER = """\
#!/bin/sh
# gcc for the lab's musl. It knows no multiarch triplet, as on a musl host, and sees no library of this host.
here=$(dirname "$0")/..
for word; do
  shift
  case $word in
    -print-multiarch | --print-multiarch) echo; exit ;;
    -I/usr/* | -L/usr/* | -L/lib*) ;;
    *) set -- "$@" "$word" ;;
  esac
done
exec gcc "$@" -isystem "$here/include" -L"$here/lib" \\
  -specs {specs} -Wl,-dynamic-linker,{loader}
"""

OPENSSL_OPTIONS = ("no-asm", "no-async", "no-dso", "no-engine", "no-shared", "no-tests")


def folder(lab: Path) -> Path:
    """The toolchain's folder, with ``bin``, ``include`` and ``lib``."""
    return lab / "toolchain"


def compiler(lab: Path) -> Path:
    """The C compiler that links to the lab's musl."""
    return folder(lab) / "bin" / "cc"


def musl_steps() -> list[Step]:
    """The steps that build the two musls."""
    return [
        Step(f"musl-{version}", (repr(source), search_path(Path())), partial(_build_musl, version))
        for version, source in sources.MUSLS.items()
    ]


def toolchain_step() -> Step:
    """The step that makes the compiler and the libraries; it needs the musls."""
    archives = (sources.ZLIB, sources.LIBFFI, sources.SQLITE, sources.OPENSSL)
    return Step("toolchain", (COMPILER, FLAGS, repr(OPENSSL_OPTIONS), repr(archives)), _build)


def search_path(lab: Path) -> str:
    """Where the loader looks for libraries: ``libz.so.1``, which some wheels need, is in the first."""
    return f"{folder(lab) / 'lib'}:/lib:/usr/local/lib:/usr/lib\n"


def _build_musl(version: str, bench: Bench) -> None:
    build_musl(version, layout.loader(bench.lab, version), search_path(bench.lab), bench)


def build_musl(version: str, loader: Path, path: str, bench: Bench, *options: str) -> None:
    """Build a musl and move it to its place.

    :param loader: where its loader will be
    :param path: what its path file says
    :param options: more words for ``configure``
    """
    tree = sources.MUSLS[version].unpack(bench)
    final = loader.parent.parent
    prefixes = (f"--prefix={final}", f"--syslibdir={final / 'lib'}")
    bench.build("./configure", "--disable-static", *prefixes, *options, cwd=tree)
    bench.make(cwd=tree)
    bench.build("make", "install", f"DESTDIR={bench.scratch}", cwd=tree)
    installed = bench.scratch / final.relative_to("/")
    path_file = installed / "etc" / f"{loader.name.partition('.')[0]}.path"
    path_file.parent.mkdir()
    path_file.write_text(path, encoding="utf-8")
    bench.publish(installed, final)


def _build(bench: Bench) -> None:
    prefix = bench.scratch / "toolchain"
    specs = layout.loader(bench.lab, layout.OLD_MUSL).with_name("musl-gcc.specs")
    cc = make_compiler(prefix, specs, layout.loader(bench.lab), KERNEL_HEADERS)
    build_zlib(bench, cc, prefix)
    build_libffi(bench, cc, prefix)
    _build_sqlite(bench, cc, prefix)
    _build_openssl(bench, cc, prefix)
    bench.publish(prefix, folder(bench.lab))


def make_compiler(
    prefix: Path, specs: Path, loader: Path, headers: Mapping[str, tuple[str, ...]], gcc: str = "gcc"
) -> Path:
    """Begin a toolchain with its compiler and the headers of the kernel.

    :param prefix: its folder, which is made
    :param specs: those that musl made for gcc
    :param loader: of the programs that are linked
    :param headers: the places of each directory of headers, of which one must be there
    :param gcc: the program to call
    """
    for name in ("bin", "include", "lib"):
        (prefix / name).mkdir(parents=True)
    for name, places in headers.items():
        found = [place for place in places if Path(place).is_dir()]
        if not found:
            raise LabError(f"there is no {places[0]}: install linux-libc-dev")
        (prefix / "include" / name).symlink_to(found[0])
    cc = prefix / "bin" / "cc"
    text = COMPILER.format(specs=specs, loader=loader).replace("exec gcc ", f"exec {gcc} ")
    cc.write_text(text, encoding="utf-8")
    cc.chmod(0o755)
    return cc


def build_zlib(bench: Bench, cc: Path, prefix: Path, **variables: str) -> None:
    """Build the static library for the interpreters, the shared one for wheels."""
    tree = sources.ZLIB.unpack(bench)
    where = (f"--prefix={prefix}", "--uname=Linux")
    bench.build("./configure", *where, cwd=tree, CC=str(cc), CFLAGS=FLAGS, **variables)
    bench.make("install", cwd=tree)
    (prefix / "lib" / "libz.so").unlink()  # so that -lz finds the static one


def build_libffi(bench: Bench, cc: Path, prefix: Path, *host: str, **variables: str) -> None:
    """Build the static library, for another CPU if ``--host`` says so."""
    tree = sources.LIBFFI.unpack(bench)
    options = ("--disable-shared", "--disable-docs", "--disable-multi-os-directory")
    words = (f"--prefix={prefix}", *options, *host)
    bench.build("./configure", *words, cwd=tree, CC=str(cc), CFLAGS=FLAGS, **variables)
    bench.make("install", cwd=tree)


def _build_sqlite(bench: Bench, cc: Path, prefix: Path) -> None:
    tree = sources.SQLITE.unpack(bench)
    options = ("--disable-shared", "--disable-readline", "--disable-tcl")
    bench.build("./configure", f"--prefix={prefix}", *options, cwd=tree, CC=str(cc), CFLAGS=FLAGS)
    bench.make("libsqlite3.la", cwd=tree)
    (tree / ".libs" / "libsqlite3.a").rename(prefix / "lib" / "libsqlite3.a")
    (tree / "sqlite3.h").rename(prefix / "include" / "sqlite3.h")


def _build_openssl(bench: Bench, cc: Path, prefix: Path) -> None:
    tree = sources.OPENSSL.unpack(bench)
    options = (f"--prefix={prefix}", *OPENSSL_OPTIONS, *FLAGS.split())
    bench.build("./Configure", "linux-x86_64", *options, cwd=tree, CC=str(cc))
    bench.make("build_libs", cwd=tree)
    bench.build("make", "install_dev", cwd=tree)
