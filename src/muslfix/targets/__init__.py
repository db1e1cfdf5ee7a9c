"""The Python that will import: probed, described, or read from a root file system; its directories and tags.

Doors: :class:`~muslfix.targets.target.Target`, :func:`~muslfix.targets.interpreter.probe_interpreter`,
:func:`~muslfix.targets.root.read_target_root`, :func:`~muslfix.targets.spec.parse_target_spec`,
:func:`~muslfix.targets.schemes.layout_of`.
"""
