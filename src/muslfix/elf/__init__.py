"""What the bytes of an ELF file prove.

Doors: :func:`~muslfix.elf.facts.read_elf` for what decides a verdict, and
:func:`~muslfix.elf.dynamic.read_image` for all that a dynamic loader goes by. Pure: a stream in, values out.
"""
