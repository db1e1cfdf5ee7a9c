"""A wheel becomes a staged tree beside its destination, and the staged tree moves in.

In order: :mod:`~muslfix.staging.unpack`, :mod:`~muslfix.staging.rename`, :mod:`~muslfix.staging.bytecode`,
:mod:`~muslfix.staging.tree` (which writes RECORD), :mod:`~muslfix.staging.place`.
"""
