"""What the bytes of an ELF file prove. Pure: a stream in, values out.

Doors: :func:`~muslfix.elf.facts.read_elf` for what decides a verdict (machine, libc, needed libraries), and
:func:`~muslfix.elf.dynamic.read_image` for all that a dynamic loader uses. Both read through
:class:`~muslfix.elf.file.ElfFile`, in time and memory bounded by the size of the file, and at the places in
memory where a loader reads (:mod:`muslfix.elf.mapping`).
"""
