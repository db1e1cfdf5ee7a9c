"""``muslfix interpreter``."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING

from muslfix.cli.options import add_command, add_output_options
from muslfix.cli.targets import add_target_options, find_target
from muslfix.cli.terminal import Line

if TYPE_CHECKING:
    from muslfix.cli.output import Output
    from muslfix.targets.target import Target

_EPILOG = """\
example:
  muslfix interpreter --python /opt/app/bin/python --json > target.json
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Define the command's options."""
    parser = add_command(
        commands,
        "interpreter [options]",
        "tell what the target looks for, or write its facts to a file",
        "Tell the story of the target: which names it looks for, its libc and how that is known, and what"
        " that means for wheels from PyPI; then its facts: machine, tags, directories."
        " With --json, write a file for --target-file.",
        _EPILOG,
    )
    add_target_options(parser)
    parser.add_argument(
        "--list", action="store_true", help="list the Pythons that --target-spec knows by name"
    )
    parser.add_argument(
        "--symbols",
        action="store_true",
        help="add the symbols that the interpreter and its libc export, by which another machine can say"
        " whether a module loads",
    )
    add_output_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, output: Output) -> int:
    """Show the target.

    :return: the exit status
    """
    if options.list:
        _list(output, as_json=options.json)
        return 0
    target = find_target(options)
    if options.symbols:
        from muslfix.loader.check import LoadCheck

        target = LoadCheck(target).with_symbols()
    if options.json:
        output.data(target.to_json())
    else:
        _tell(target, output)
    return 0


def _tell(target: Target, output: Output) -> None:
    """The story, then the facts, one a line."""
    from muslfix.cli.describe import tell_story

    facts = list(_lines(target, verbose=output.verbose))
    if output.out.is_terminal:
        pairs = [fact.partition(": ") for fact in facts]
        lines = [Line(value, head=f"{name}:", kind="strong") for name, _, value in pairs]
        story = [line for sentence in tell_story(target) for line in (Line(sentence), Line())]
        output.tell([*story, *lines])
    else:
        output.result([*tell_story(target), "", *facts])


def _list(output: Output, *, as_json: bool) -> None:
    """Print the known Pythons."""
    from muslfix.targets.known_pythons import KNOWN, lines_about_known

    if not as_json:
        output.result(lines_about_known())
        return
    import json
    from dataclasses import asdict

    output.data(json.dumps([asdict(known) for known in KNOWN], indent=2) + "\n")


def _lines(target: Target, *, verbose: bool) -> Iterator[str]:
    tags = [str(tag) for tag in target.tags()]
    if target.source is not None:
        yield f"facts from: {target.source.sentence}"
    yield f"interpreter: {target.executable or 'not known'}"
    yield f"version: {target.kind}"
    yield f"SOABI: {target.soabi or 'not known'}"
    yield f"imports: {' '.join(target.extension_suffixes)}"
    yield f"libc: {target.libc} {target.libc_version or '(version not known)'}"
    yield f"loader: {target.loader or 'not known'}"
    yield f"machine: {target.machine}"
    for name, symbols in target.symbols:
        yield f"symbols of {name}: {len(symbols)}"
    yield f"environment: {target.environment} at {target.prefix or 'a prefix that is not known'}"
    if target.externally_managed:
        yield f"managed by another tool: {target.externally_managed}"
    if target.scheme is not None:
        yield f"modules: {target.scheme.purelib}"
        if target.scheme.platlib != target.scheme.purelib:
            yield f"extension modules: {target.scheme.platlib}"
        yield f"scripts: {target.scheme.scripts}"
    if verbose:
        yield from (f"tag: {tag}" for tag in tags)
    else:
        yield f"tags: {tags[0]} and {len(tags) - 1} more"
