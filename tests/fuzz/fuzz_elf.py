"""Fuzz the readers of ELF files, guided by coverage: ``python tests/fuzz/fuzz_elf.py -max_total_time=300``.

Needs `atheris <https://pypi.org/project/atheris/>`_, which has wheels for some Pythons only; no other test
needs it. It runs for ever, until it finds something, or until an option of libFuzzer ends it: every word
behind ``--reader NAME`` goes there (https://llvm.org/docs/LibFuzzer.html#options). The files it starts from
are those of the property tests, and half of the new ones are made by the same damage to fields.

What is found is written to ``crash-*`` in the working folder. Make it small (``-minimize_crash=1``), say in
``tests/elf/test_damage.py`` which fields are wrong, and let ``elfmaker`` make it there: no files are stored.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
from pathlib import Path

import atheris

sys.path[:0] = [str(Path(__file__).parents[1] / "helpers"), str(Path(__file__).parents[2] / "src")]

with atheris.instrument_imports(include=["muslfix"]):
    from elf_fuzzing import READERS, damage, fields_of, read_or_refuse, seeds

SEEDS = seeds()
FIELDS = [fields_of(seed) for seed in SEEDS]


def mutate(data: bytes, max_size: int, seed: int) -> bytes:
    """A new file: a sound one with damaged fields, or what libFuzzer makes of the one it has."""
    chance = random.Random(seed)
    if chance.random() < 0.5:
        number = chance.randrange(len(SEEDS))
        return damage(SEEDS[number], FIELDS[number], chance.randrange)[:max_size]
    return bytes(atheris.Mutate(data, max_size))


def main() -> None:
    """Run libFuzzer, and end as it does."""
    words = sys.argv[1:]
    readers = list(READERS.values())
    if words[:1] == ["--reader"]:
        readers = [READERS[words[1]]]
        del words[:2]

    def test_one(data: bytes) -> None:
        for read in readers:
            read_or_refuse(read, data)

    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(SEEDS):
            Path(corpus, f"seed-{number}").write_bytes(seed)
        child = os.fork()  # libFuzzer ends the process, and nobody would tidy up
        if not child:
            atheris.Setup([sys.argv[0], "-max_len=16384", *words, corpus], test_one, custom_mutator=mutate)
            atheris.Fuzz()
        status = os.waitpid(child, 0)[1]
    sys.exit(1 if status else 0)


if __name__ == "__main__":
    main()
