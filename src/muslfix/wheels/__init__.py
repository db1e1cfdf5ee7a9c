"""A wheel file, judged before anything of it is written.

Doors: :func:`~muslfix.wheels.wheel.open_wheel`, which opens the archive and judges names, metadata, RECORD
and scripts, and :func:`~muslfix.wheels.archive.open_archive` for the archive alone.
"""
