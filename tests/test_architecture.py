"""The rules that keep the layers apart, read from the source of every module."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import muslfix

ROOT = Path(muslfix.__file__).parent

#: The floors, lowest first. A package, or a module directly below ``muslfix``, imports from lower floors
#: only.
FLOORS = (
    "_version errors suffix progress verdicts",
    "files elf record parallel",
    "targets transaction wheels",
    "loader",
    "modules",
    "projects report",
    "staging rewheel",
    "verbs",
    "__init__ hooks cli",
    "__main__",
)

#: At most so many rooms (packages, and modules directly below ``muslfix``), and arrows between them.
ROOMS, ARROWS = 25, 109

#: Facts in, plan out: no module of these touches the machine, but for the exceptions.
PURE = "suffix verdicts record elf targets loader modules report"
IMPURE = (
    "targets._probe targets.interpreter targets.programs targets.paths targets.schemes targets.root"
    " targets.root_files targets.root_pythons targets.root_binaries targets.build_details"
    " targets.environments targets.choice loader.check loader.files loader.musl_exports loader.system"
    " modules.tree modules.candidates targets.shim targets.shim.proof targets.with_shim"
)

#: What the pure modules may import from elsewhere.
PURE_IMPORTS = {
    "__future__", "base64", "collections", "csv", "dataclasses", "enum", "functools", "io", "itertools",
    "json", "os.path", "packaging", "re", "struct", "typing",
}  # fmt: skip

#: Of these they may use only what reads no file and asks no machine.
PURE_PARTS = {
    "io": {"BytesIO", "StringIO"},
    "os": {"path"},
    "os.path": {"basename", "dirname", "isabs", "join", "normpath", "split"},
}
IMPURE_FUNCTIONS = {
    "__import__",
    "breakpoint",
    "compile",
    "eval",
    "exec",
    "exit",
    "input",
    "open",
    "print",
    "quit",
}

#: Where the terminal and the exit status belong. The probe is a program of its own, run by the target.
MAY_PRINT = ("cli", "targets._probe", "__main__")
MAY_EXIT = ("cli", "targets._probe", "parallel.forks", "__main__")


def module_name(path: Path) -> str:
    """A module's name without the package's: ``cli.dispatch``, ``verbs``; ``__init__`` for the package."""
    parts = list(path.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)


SOURCES = {module_name(path): path.read_text(encoding="utf-8") for path in sorted(ROOT.rglob("*.py"))}
TREES = {name: ast.parse(source) for name, source in SOURCES.items()}

#: The floor of each room, by number from the ground.
PLACES = {room: number for number, floor in enumerate(FLOORS) for room in floor.split()}


def room(module: str) -> str:
    """The package, or the module directly below ``muslfix``, that a module is in."""
    return module.partition(".")[0]


PURE_MODULES = [name for name in SOURCES if room(name) in PURE.split() and name not in IMPURE.split()]

#: Every node of every module.
NODES = [(module, node) for module, tree in TREES.items() for node in ast.walk(tree)]


def is_one_of(module: str, names: tuple[str, ...]) -> bool:
    return module in names or room(module) in names


def imports(module: str) -> set[str]:
    """All that a module imports, wherever it does: ``os.path``, ``muslfix.modules.plan``."""
    found: set[str] = set()
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if (
                module.startswith("targets.shim") and node.level == 1
            ):  # it has another name where it is installed
                continue
            assert node.level == 0, f"{module} has a relative import"
            source = str(node.module)
            for alias in node.names:
                below = f"{source}.{alias.name}"
                is_module = below == "os.path" or below.removeprefix("muslfix.") in SOURCES
                found.add(below if is_module else source)
    return found


def own_imports(module: str) -> set[str]:
    """Those of muslfix itself, without the package's name."""
    return {
        "__init__" if name == "muslfix" else name[len("muslfix.") :]
        for name in imports(module)
        if name.partition(".")[0] == "muslfix"
    }


def arrows() -> set[tuple[str, str]]:
    """Who imports whom, by room."""
    return {
        (room(module), room(imported))
        for module in SOURCES
        for imported in own_imports(module)
        if room(module) != room(imported)
    }


def test_the_table_is_up_to_date() -> None:
    assert PLACES.keys() == {room(module) for module in SOURCES}
    assert set(IMPURE.split()) <= SOURCES.keys()


def test_imports_go_down() -> None:
    upward = [
        f"{importer} imports {imported}"
        for importer, imported in sorted(arrows())
        if PLACES[imported] >= PLACES[importer]
    ]
    assert upward == []


def test_no_module_imports_itself_by_way_of_others() -> None:
    TopologicalSorter({module: own_imports(module) - {module} for module in SOURCES}).prepare()


def test_the_house_stays_small() -> None:
    assert len(PLACES) <= ROOMS
    assert len(arrows()) <= ARROWS


def test_a_package_itself_is_a_docstring() -> None:
    """Whoever imports one of its modules, from whatever layer, runs it; and the start-up stays short."""
    packages = sorted({path.parent.name for path in ROOT.glob("*/__init__.py")} - {"cli"})
    assert packages
    for package in packages:
        assert ast.get_docstring(TREES[package]), package
        assert len(TREES[package].body) == 1, package


def test_the_probe_is_a_program_of_its_own() -> None:
    assert own_imports("targets._probe") == set()


def test_the_shim_is_a_package_of_its_own() -> None:
    for module in SOURCES:
        assert not module.startswith("targets.shim") or own_imports(module) == set(), module


def test_pure_modules_import_nothing_that_touches_the_machine() -> None:
    allowed = {*PURE_IMPORTS, "muslfix"}
    wrong = [
        f"{module} imports {name}"
        for module in PURE_MODULES
        for name in sorted(imports(module))
        if name not in allowed and name.partition(".")[0] not in allowed
    ]
    assert wrong == []


def test_pure_modules_use_nothing_that_touches_the_machine() -> None:
    for module, node in NODES:
        if module not in PURE_MODULES:
            continue
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) in PURE_PARTS:
            assert node.attr in PURE_PARTS[ast.unparse(node.value)], f"{module} uses {ast.unparse(node)}"
        elif isinstance(node, ast.ImportFrom) and node.module in PURE_PARTS:
            assert {alias.name for alias in node.names} <= PURE_PARTS[node.module], f"{module}: {node.module}"
        elif isinstance(node, ast.Name):
            assert node.id not in IMPURE_FUNCTIONS, f"{module} uses {node.id}"


def test_only_the_command_line_prints_and_exits() -> None:
    for module, node in NODES:
        text = ast.unparse(node) if isinstance(node, (ast.Name, ast.Attribute)) else ""
        if text in ("print", "input", "breakpoint", "sys.stdout", "sys.stderr"):
            assert is_one_of(module, MAY_PRINT), f"{module} uses {text}"
        if text in ("sys.exit", "SystemExit", "os._exit", "os.abort", "exit", "quit"):
            assert is_one_of(module, MAY_EXIT), f"{module} uses {text}"


def test_no_check_is_an_assertion() -> None:
    """Python leaves assertions out when it optimises."""
    assert not [(module, node.lineno) for module, node in NODES if isinstance(node, ast.Assert)]


def test_no_text_is_cut_into_lines_by_splitlines() -> None:
    """It also cuts at characters that are legal in file names."""
    names = [(module, node) for module, node in NODES if isinstance(node, ast.Attribute)]
    assert not [(module, node.lineno) for module, node in names if node.attr == "splitlines"]


def test_errors_are_sentences() -> None:
    """The reason of an error follows the path: ``path: has no RECORD``."""
    kinds = {node.name for node in ast.walk(TREES["errors"]) if isinstance(node, ast.ClassDef)}
    for module, node in NODES:
        if isinstance(node, ast.Call) and ast.unparse(node.func) in kinds and len(node.args) > 1:
            reason = node.args[1]
            parts = reason.values if isinstance(reason, ast.JoinedStr) else [reason]
            first, last = parts[0], parts[-1]
            where = f"{module}, line {node.lineno}"
            if isinstance(first, ast.Constant):
                assert not str(first.value)[:2].istitle(), f"{where}: begins with a capital"
            if isinstance(last, ast.Constant):
                assert not str(last.value).endswith((".", "!", " ", "\n")), f"{where}: ends in a full stop"
