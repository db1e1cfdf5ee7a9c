"""The rules that keep the layers apart, read from the source of every module."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import muslfix

ROOT = Path(muslfix.__file__).parent

#: The layers, lowest first, and within each its rows, lowest first. A module imports from lower rows only,
#: and in :data:`OPEN_LAYERS` from its own row. A package stands for those of its modules that
#: have no place of their own.
LAYERS: dict[str, tuple[str, ...]] = {
    "ground": ("_version progress limits", "errors", "spelling"),
    "pure": (
        "loader untrusted record terms",
        "suffix",
        "elf_file elf_symbols",
        "elf elf_hash elf_strings loader.musl_exports",
        "elf_symbol_table",
        "elf_dynamic loader.musl_symbols",
        "loader.facts",
        "loader.rules loader.musl_floor",
        "loader.musl loader.glibc",
        "loader.dlopen",
        "target cpus given static.build_details",
        "target_facts plan compatibility known",
        "trace module_report cpython",
        "report",
        "report_text static.names static.described target_spec story",
    ),
    "edges": (
        "_probe programs interpreter zips archive wheel_record wheel_scripts"
        " wheel wheel_tree layout project staging naming files bytecode transaction tree libraries"
        " surroundings load_check modules source newfile rewheel farm inplace placing environment quick"
        " journal steps recovery locking sentences workers codec unpacking static",
    ),
    "verbs": ("verbs",),
    "face": ("__init__",),
    "callers": ("cli hooks", "__main__"),
}
OPEN_LAYERS = {"edges", "verbs", "callers"}

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
MAY_PRINT = ("cli", "_probe")
MAY_EXIT = ("cli", "_probe", "__main__")


def module_name(path: Path) -> str:
    """A module's name without the package's: ``cli.dispatch``, ``verbs``; ``__init__`` for the package."""
    parts = list(path.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)


SOURCES = {module_name(path): path.read_text(encoding="utf-8") for path in sorted(ROOT.rglob("*.py"))}
TREES = {name: ast.parse(source) for name, source in SOURCES.items()}

#: For each module named in the table its layer, and the number of its row from the bottom.
PLACES = {
    name: (layer, number)
    for number, (layer, row) in enumerate((layer, row) for layer, rows in LAYERS.items() for row in rows)
    for name in row.split()
}


def in_table(module: str) -> str:
    """The name by which a module stands in the table: its own, or that of its package."""
    return module if module in PLACES else module.partition(".")[0]


EACH_MODULE = pytest.mark.parametrize("module", SOURCES)
EACH_PURE_MODULE = pytest.mark.parametrize(
    "module", [name for name in SOURCES if PLACES.get(in_table(name), ("", 0))[0] == "pure"]
)


def place(module: str) -> tuple[str, int]:
    """Layer and row of a module."""
    return PLACES[in_table(module)]


def is_one_of(module: str, names: tuple[str, ...]) -> bool:
    return module.partition(".")[0] in names


def imports(module: str) -> set[str]:
    """All that a module imports, wherever it does: ``os.path``, ``muslfix.plan``."""
    found: set[str] = set()
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
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


@EACH_MODULE
def test_every_module_stands_in_the_table(module: str) -> None:
    assert in_table(module) in PLACES


def test_the_table_is_not_out_of_date() -> None:
    assert PLACES.keys() <= SOURCES.keys()
    assert sum(len(row.split()) for rows in LAYERS.values() for row in rows) == len(PLACES)


@EACH_MODULE
def test_imports_go_one_way(module: str) -> None:
    layer, row = place(module)
    for imported in own_imports(module):
        other_layer, other_row = place(imported)
        if layer in OPEN_LAYERS and other_layer == layer:
            assert other_row <= row, f"{module} imports {imported} from a higher row"
        else:
            assert other_row < row, f"{module} ({layer}) imports {imported} ({other_layer})"


def test_no_module_imports_itself_by_way_of_others() -> None:
    TopologicalSorter({module: own_imports(module) - {module} for module in SOURCES}).prepare()


@pytest.mark.parametrize("package", ["hooks", "loader", "static", "verbs", "zips"])
def test_a_package_itself_is_a_docstring(package: str) -> None:
    """Whoever imports one of its modules, from whatever layer, runs it; and the start-up stays short."""
    assert ast.get_docstring(TREES[package])
    assert len(TREES[package].body) == 1


def test_the_probe_is_a_program_of_its_own() -> None:
    assert own_imports("_probe") == set()


@EACH_PURE_MODULE
def test_pure_modules_import_nothing_that_touches_the_machine(module: str) -> None:
    for name in imports(module):
        top = name.partition(".")[0]
        assert top == "muslfix" or name in PURE_IMPORTS or top in PURE_IMPORTS, f"{module} imports {name}"


@EACH_PURE_MODULE
def test_pure_modules_use_nothing_that_touches_the_machine(module: str) -> None:
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) in PURE_PARTS:
            assert node.attr in PURE_PARTS[ast.unparse(node.value)], f"{module} uses {ast.unparse(node)}"
        elif isinstance(node, ast.ImportFrom) and node.module in PURE_PARTS:
            assert {alias.name for alias in node.names} <= PURE_PARTS[node.module], f"{module}: {node.module}"
        elif isinstance(node, ast.Name):
            assert node.id not in IMPURE_FUNCTIONS, f"{module} uses {node.id}"


@EACH_MODULE
def test_only_the_command_line_prints_and_exits(module: str) -> None:
    for node in ast.walk(TREES[module]):
        text = ast.unparse(node) if isinstance(node, (ast.Name, ast.Attribute)) else ""
        if text in ("print", "input", "breakpoint", "sys.stdout", "sys.stderr"):
            assert is_one_of(module, MAY_PRINT), f"{module} uses {text}"
        if text in ("sys.exit", "SystemExit", "os._exit", "os.abort", "exit", "quit"):
            assert is_one_of(module, MAY_EXIT), f"{module} uses {text}"


@EACH_MODULE
def test_no_check_is_an_assertion(module: str) -> None:
    """Python leaves assertions out when it optimises."""
    assert not [node.lineno for node in ast.walk(TREES[module]) if isinstance(node, ast.Assert)]


@EACH_MODULE
def test_no_text_is_cut_into_lines_by_splitlines(module: str) -> None:
    """It also cuts at characters that are legal in file names."""
    names = [node for node in ast.walk(TREES[module]) if isinstance(node, ast.Attribute)]
    assert not [node.lineno for node in names if node.attr == "splitlines"]


@EACH_MODULE
def test_errors_are_sentences(module: str) -> None:
    """The reason of an error follows the path: ``path: has no RECORD``."""
    kinds = {node.name for node in ast.walk(TREES["errors"]) if isinstance(node, ast.ClassDef)}
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in kinds and len(node.args) > 1:
            reason = node.args[1]
            parts = reason.values if isinstance(reason, ast.JoinedStr) else [reason]
            first, last = parts[0], parts[-1]
            where = f"{module}.py, line {node.lineno}"
            if isinstance(first, ast.Constant):
                assert not str(first.value)[:2].istitle(), f"{where}: begins with a capital"
            if isinstance(last, ast.Constant):
                assert not str(last.value).endswith((".", "!", " ", "\n")), f"{where}: ends in a full stop"
