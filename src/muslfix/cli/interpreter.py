"""``muslfix interpreter``."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING

from muslfix.cli.options import add_command, add_output_options, add_target_options, find_target

if TYPE_CHECKING:
    from muslfix.cli.output import Output
    from muslfix.target import Target

_EPILOG = """\
example:
  muslfix interpreter --python /opt/app/bin/python --json > target.json
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Define the command's options."""
    parser = add_command(
        commands,
        "interpreter",
        "show the target, or write it to a file",
        "Show the target: which names it imports, its libc, its machine, its tags and folders."
        " With --json, write a file for --target-file.",
        _EPILOG,
    )
    add_target_options(parser)
    parser.add_argument(
        "--list", action="store_true", help="list the Pythons that --target-spec knows by name"
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
    if options.json:
        output.data(target.to_json())
    else:
        output.result(_lines(target, verbose=output.verbose))
    return 0


def _list(output: Output, *, as_json: bool) -> None:
    """Print the known Pythons."""
    from muslfix.known import KNOWN, lines_about_known

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
    yield f"version: CPython {target.version}"
    yield f"SOABI: {target.soabi or 'not known'}"
    yield f"imports: {' '.join(target.extension_suffixes)}"
    yield f"libc: {target.libc} {target.libc_version or '(version not known)'}"
    yield f"loader: {target.loader or 'not known'}"
    yield f"machine: {target.machine}"
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
