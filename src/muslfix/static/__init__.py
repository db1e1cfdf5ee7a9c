"""A target read from its files, where it cannot be run.

:mod:`~muslfix.static.target`
    the whole of it: from a tree to a :class:`~muslfix.target.Target`
:mod:`~muslfix.static.root`
    the files of the tree, opened so that no link leads out of it
:mod:`~muslfix.static.python`
    the Pythons in the tree, and which one is meant
:mod:`~muslfix.static.binaries`
    its program, libpython, loader, and one of its modules
:mod:`~muslfix.static.folders`
    its folders of modules
:mod:`~muslfix.static.names`
    which names it imports; pure
:mod:`~muslfix.static.build_details`
    what it says of itself in ``build-details.json``; pure
:mod:`~muslfix.static.described`
    a target of which that file is all there is; pure
"""
