"""``muslfix interpreter``: describe the target, or write its facts."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

from muslfix.cli.options import add_command, add_output_options
from muslfix.cli.output import Output
from muslfix.cli.settings import describe_settings, own_settings
from muslfix.cli.targets import add_target_options, find_target
from muslfix.report.lines import Line

if TYPE_CHECKING:
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
        "describe the target interpreter, or write its facts to a file",
        "Describe the target interpreter: which names it looks for, its libc, and what that means for wheels"
        " from PyPI; then its facts: machine, tags, directories."
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
        help="add the symbols that the interpreter and its libc export, so that another machine can tell"
        " whether a module loads",
    )
    add_output_options(parser)


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
        _describe(target, output)
    choice = target.source.choice if target.source else None
    for sentence in choice.doubts if choice else ():
        output.doubt(sentence)
    return 0


def _describe(target: Target, output: Output) -> None:
    """Print the description, then the facts, one per line."""
    from muslfix.cli.describe import describe_target

    pairs = [fact.partition(": ") for fact in _lines(target, verbose=output.verbose)]
    facts = [Line(value, head=f"{name}:", kind="strong") for name, _, value in pairs]
    facts.append(Line(describe_settings(own_settings(output)), head="settings:", kind="strong"))
    sentences = [Line(sentence) for sentence in describe_target(target)]
    if output.out.is_terminal:  # each sentence is a paragraph there
        sentences = [line for sentence in sentences for line in (sentence, Line())][:-1]
    output.tell([*sentences, Line(), *facts])


def _list(output: Output, *, as_json: bool) -> None:
    """Print the known Pythons."""
    from muslfix.targets.known_pythons import KNOWN, lines_about_known

    if not as_json:
        output.tell(Line(line, whole=True) for line in lines_about_known(sources=output.verbose))
        return
    output.data(json.dumps([asdict(known) for known in KNOWN], indent=2) + "\n")


def _lines(target: Target, *, verbose: bool) -> Iterator[str]:
    from muslfix.targets.with_shim import about_shim

    tags = [str(tag) for tag in target.tags()]
    if target.source is not None:
        yield f"facts from: {target.source.sentence}"
    yield f"interpreter: {target.executable or 'unknown'}"
    choice = target.source.choice if target.source else None
    if choice is not None and choice.reason:
        yield f"chosen by: {choice.reason}"
        yield from (f"passed over: {environment}" for environment in choice.passed_over)
    yield f"version: {target.kind}"
    yield f"SOABI: {target.soabi or 'unknown'}"
    yield f"imports: {' '.join(target.extension_suffixes)}"
    shim = about_shim(target)
    if shim is not None:
        yield f"shim: {shim}"
    yield f"libc: {target.libc} {target.libc_version or '(version unknown)'}"
    yield f"loader: {target.loader or 'unknown'}"
    yield f"machine: {target.machine}"
    for name, symbols in target.symbols:
        yield f"symbols of {name}: {len(symbols)}"
    yield f"environment: {target.environment} at {target.prefix or 'an unknown prefix'}"
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
