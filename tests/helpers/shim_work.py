# ruff: noqa: UP031, UP036, PT017, PT018
# mypy: ignore-errors
"""The shim at work: a target interpreter with it runs this, not the tests.

``python shim_work.py FOLDER`` makes trees of modules of its own standard library under other names, imports
them in every way, and prints what it could not try. It runs on CPython 3.6 and later.
"""

import _imp
import importlib
import importlib.machinery
import importlib.util
import inspect
import os
import pkgutil
import shutil
import subprocess
import sys
import threading
import zipfile
import zipimport

FOLDER = sys.argv[1]
OWN = _imp.extension_suffixes()
ADDED = [suffix for suffix in importlib.machinery.EXTENSION_SUFFIXES if suffix not in OWN]
(DYNLOAD,) = [path for path in sys.path if path.endswith("lib-dynload")]
UNTRIED = []


def put(name, *parts):
    """A copy of a module of the standard library in a package below the folder, which is made if need be."""
    path = os.path.join(FOLDER, *parts)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    (source,) = [file for file in os.listdir(DYNLOAD) if file.split(".")[0] == name]
    shutil.copyfile(os.path.join(DYNLOAD, source), path)
    return path


def write(text, *parts):
    path = os.path.join(FOLDER, *parts)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(text)
    return path


def origin(name):
    importlib.invalidate_caches()
    return importlib.import_module(name).__file__


def refusal(name):
    importlib.invalidate_caches()
    try:
        importlib.import_module(name)
    except ImportError as error:
        assert error.path and str(error).startswith(error.path + " "), str(error)
        assert "\n" not in str(error)
        return str(error)[len(error.path) + 1 :]
    raise AssertionError(name + " was not refused")


def each_added_name():
    assert ADDED
    import muslfix_shim

    # Those that were there before the shim was started, too.
    finders = [f for f in sys.path_importer_cache.values() if isinstance(f, importlib.machinery.FileFinder)]
    assert {type(finder) for finder in finders} == {muslfix_shim.Finder}
    for number, suffix in enumerate(ADDED):
        package = "each%d" % number
        path = put("resource", package, "resource" + suffix)
        assert origin(package + ".resource") == path
        assert sys.modules[package + ".resource"].getrusage
        assert type(sys.modules[package + ".resource"].__spec__.loader).__name__ == "ExtensionFileLoader"


def other_names():
    version = "".join(map(str, sys.version_info[:2]))
    flags = getattr(sys, "abiflags", "")
    platform = OWN[0].replace(".cpython-" + version + flags, "")
    others = ["39d" if version != "39" else "38d", version + ("" if "t" in flags else "t"), "3" + version]
    for suffix in [".cpython-" + other + platform for other in others] + [
        ".pypy39-pp73" + platform,
        ".abi4.so",
    ]:
        put("resource", "others", "resource" + suffix)
    if "t" in flags and sys.version_info < (3, 15):
        put("resource", "others", "resource.abi3" + platform)
    assert importlib.util.find_spec("others.resource") is None


def order():
    put("mmap", "order", "mmap" + ADDED[0])
    path = put("mmap", "order", "mmap" + OWN[0])
    write("", "order", "mmap.py")
    assert origin("order.mmap") == path
    path = put("termios", "order", "termios" + ADDED[0])
    write("", "order", "termios.py")
    assert origin("order.termios") == path


def refused():
    path = put("mmap", "refused", "other" + ADDED[0])
    assert refusal("refused.other") == "has no function %s, so it is no module of that name" % " or ".join(
        kind + "_other"
        for kind in (("PyInit", "PyModExport") if sys.version_info >= (3, 15) else ("PyInit",))
    )
    with open(path, "rb") as file:
        data = file.read()
    write("no ELF file", "refused", "text" + ADDED[0])
    assert refusal("refused.text") == "is no ELF file"
    for name, cut in (("cut", 300), ("empty", 0)):
        with open(write("", "refused", name + ADDED[0]), "wb") as file:
            file.write(data[:cut])
        assert refusal("refused." + name) == ("is cut off or damaged" if cut else "is no ELF file")
    machine = put("mmap", "refused", "mmap" + ADDED[0])
    with open(machine, "wb") as file:
        file.write(data[:18] + b"\x16\x00" + data[20:])
    program = write("", "refused", "program" + ADDED[0])
    with open(program, "wb") as file:
        file.write(data[:16] + b"\x02" + data[17:])
    assert refusal("refused.program") == "is no shared object"
    assert "is for s390 (" in refusal("refused.mmap") or "is for machine" in refusal("refused.mmap")
    source = write("slow = True", "refused", "mmap.py")
    assert origin("refused.mmap") == source
    os.symlink("nowhere", os.path.join(FOLDER, "refused", "gone" + ADDED[0]))
    assert importlib.util.find_spec("refused.gone") is None


def namespaces_and_packages():
    first = put("mmap", "one", "space", "mmap" + ADDED[0])
    second = put("termios", "two", "space", "termios" + ADDED[0])
    sys.path[:0] = [os.path.join(FOLDER, "one"), os.path.join(FOLDER, "two")]
    assert (origin("space.mmap"), origin("space.termios")) == (first, second)
    package = put("termios", "outer", "termios", "__init__" + ADDED[0])
    write("value = 1", "outer", "termios", "inner.py")
    assert origin("outer.termios") == package
    assert importlib.import_module("outer.termios.inner").value == 1


def zips():
    archive = os.path.join(FOLDER, "some.zip")
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("zipped/__init__.py", "value = 2")
    sys.path.insert(0, archive)
    assert importlib.import_module("zipped").value == 2
    assert isinstance(sys.path_importer_cache[archive], zipimport.zipimporter)
    assert sys.path_hooks[0] is zipimport.zipimporter and len(sys.path_hooks) == 2


def what_others_see():
    put("mmap", "seen", "mmap" + ADDED[0])
    write("", "seen", "__init__.py")
    write("data", "seen", "data.txt")
    assert [module.name for module in pkgutil.iter_modules([os.path.join(FOLDER, "seen")])] == ["mmap"]
    for suffix in OWN + ADDED:
        assert inspect.getmodulename("/x/m" + suffix) == "m"
    importlib.invalidate_caches()
    seen = importlib.import_module("seen")
    if sys.version_info >= (3, 9):
        resources = importlib.import_module("importlib.resources")
        assert resources.files(seen).joinpath("data.txt").read_text() == "data"
        assert "mmap" + ADDED[0] in [entry.name for entry in resources.files(seen).iterdir()]
    elif sys.version_info >= (3, 7):
        resources = importlib.import_module("importlib.resources")
        assert resources.read_text(seen, "data.txt") == "data"
        assert "mmap" + ADDED[0] in resources.contents(seen)


def guarded_for_other_finders():
    """Some take the longer list, and load what they have found in their own way."""
    good = put("mmap", "foreign", "mmap" + ADDED[0])
    bad = put("mmap", "foreign", "other" + ADDED[0])
    hook = importlib.machinery.FileFinder.path_hook(
        (importlib.machinery.ExtensionFileLoader, importlib.machinery.EXTENSION_SUFFIXES)
    )
    for find in (
        hook(os.path.join(FOLDER, "foreign")).find_spec,
        lambda name: importlib.util.spec_from_file_location(name, {"mmap": good, "other": bad}[name]),
    ):
        assert importlib.util.module_from_spec(find("mmap")).__file__ == good
        try:
            importlib.util.module_from_spec(find("other"))
        except ImportError as error:
            assert str(error).startswith(bad + " has no function PyInit_other")
        else:
            raise AssertionError("not refused")


def reload_and_finders():
    path = put("resource", "again", "resource" + ADDED[0])
    assert origin("again.resource") == path
    assert importlib.reload(sys.modules["again.resource"]).__file__ == path

    class Editable:
        """As build backends make them for editable projects."""

        @staticmethod
        def find_spec(name, path=None, target=None):
            if name == "mapped":
                places = [os.path.join(FOLDER, "again")]
                return importlib.machinery.PathFinder.find_spec("resource", places)
            return None

    sys.meta_path.insert(0, Editable)
    sys.path_hooks.append(lambda path: (_ for _ in ()).throw(ImportError()))
    assert importlib.util.find_spec("mapped").origin == path
    guarded_for_other_finders()
    import muslfix_shim

    hooks = list(sys.path_hooks)
    muslfix_shim.start()
    assert sys.path_hooks == hooks
    assert importlib.machinery.EXTENSION_SUFFIXES == OWN + ADDED


def threads():
    names = ["_lsprof", "_multiprocessing", "_multibytecodec", "_queue", "_decimal", "termios"]
    names = [name for name in names if any(file.startswith(name + ".") for file in os.listdir(DYNLOAD))]
    for name in names:
        put(name, "threads", name + ADDED[0])
    importlib.invalidate_caches()
    sys.modules.pop("muslfix_shim.proof", None)
    sys.modules.pop("muslfix_shim.elf", None)
    ready, found = threading.Barrier(4 * len(names)), []

    def work(name):
        ready.wait(60)
        found.append(importlib.import_module("threads." + name).__file__.endswith(ADDED[0]))

    workers = [threading.Thread(target=work, args=(name,)) for name in names * 4]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert found == [True] * len(workers)


def subinterpreters():
    code = f"import sys; sys.path.insert(0, {FOLDER!r}); from importlib.util import find_spec; "
    code += f"assert find_spec('each0.resource').origin.endswith({ADDED[0]!r})"
    for name in ("_interpreters", "_xxsubinterpreters"):
        try:
            interpreters = importlib.import_module(name)
        except ImportError:
            continue
        other = interpreters.create()
        assert not interpreters.run_string(other, code)
        interpreters.destroy(other)
        return
    UNTRIED.append("subinterpreters")


def broken():
    """Whatever becomes of the shim's files, Python starts."""
    import muslfix_shim

    places = [os.path.dirname(muslfix_shim.__file__)]
    site = os.path.dirname(places[0])
    places += [os.path.join(site, "muslfix-shim" + end) for end in (".pth", ".start")]
    of_a_package = ["", "(", "raise Exception('broken')\n", None]
    of_a_file = ["import nothing_of_that_name\nnothing_of_that_name:start", "\0", None]
    for place in places:
        kept = place + ".kept"
        os.rename(place, kept)
        for wreck in of_a_package if place is places[0] else of_a_file:
            if wreck is not None and place is places[0]:
                os.mkdir(place)
                write(wreck, place, "__init__.py")
            elif wreck is not None:
                write(wreck, place)
            done = subprocess.run(
                [sys.executable, "-I", "-B", "-c", "print(6 * 7)"], stdout=-1, stderr=-1, check=False
            )
            assert (done.returncode, done.stdout) == (0, b"42\n"), (place, wreck, done)
            if wreck is not None:
                (shutil.rmtree if place is places[0] else os.unlink)(place)
        os.rename(kept, place)


def judged_badly():
    """A fault of the part that judges refuses the module; what works without it works."""
    import muslfix_shim

    path = put("mmap", "badly", "mmap" + ADDED[0])
    source = write("", "badly", "mmap.py")
    sys.modules.pop("muslfix_shim.proof", None)
    sys.modules["muslfix_shim.proof"] = None
    assert origin("badly.mmap") == source
    os.unlink(source)
    del sys.modules["badly.mmap"]
    assert "could not be judged" in refusal("badly.mmap"), path
    del sys.modules["muslfix_shim.proof"]
    assert muslfix_shim.__name__


sys.path.insert(0, FOLDER)
for check in (
    each_added_name, other_names, order, refused, namespaces_and_packages, zips, what_others_see,
    reload_and_finders, threads, subinterpreters, judged_badly, broken,
):  # fmt: skip
    check()
print(" ".join(["done", *UNTRIED]))
