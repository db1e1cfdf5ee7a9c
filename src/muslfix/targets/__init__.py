"""The Python that will import: probed, described, or read from a root file system; its directories and tags.

Doors:

:class:`~muslfix.targets.target.Target`
    the facts of one Python, its compatibility tags and extension suffixes
:func:`~muslfix.targets.interpreter.probe_interpreter`, :func:`~muslfix.targets.interpreter.read_target_file`
    a target from an interpreter that runs here, or from a file with its facts
:func:`~muslfix.targets.root.read_target_root`, :func:`~muslfix.targets.spec.parse_target_spec`
    a target from the files of a root file system, or from a specification such as ``cp310-musl-x86_64``
:mod:`~muslfix.targets.environments`
    which interpreter is meant if none is named
:func:`~muslfix.targets.paths.paths_of`
    where the paths of a target are on this machine, and back
:func:`~muslfix.targets.schemes.layout_of`
    where the files of a wheel go
:mod:`~muslfix.targets.compatibility`
    whether a wheel is for a target

The modules ``root_*`` read the files of a root; :mod:`~muslfix.targets.cpython` and
:mod:`~muslfix.targets.known_pythons` hold what follows from few facts, and
:mod:`~muslfix.targets.given_facts` what a person adds to those.
"""
