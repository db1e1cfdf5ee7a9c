"""What the loader of a target will do with a file, worked out from facts alone. Nothing here opens a file.

:mod:`~muslfix.loader.facts`
    the values: what a loader sees of a file and of a process, and what goes wrong
:mod:`~muslfix.loader.dlopen`
    what ``dlopen`` does with a module, and what a process has when it starts
:mod:`~muslfix.loader.rules`
    how a library is found and a symbol bound: what both libcs have in common
:mod:`~muslfix.loader.musl`, :mod:`~muslfix.loader.glibc`
    the rules of the one, and of the other
:mod:`~muslfix.loader.musl_exports`
    since when musl exports a symbol, from the data beside it
:mod:`~muslfix.loader.musl_floor`
    the lowest musl on which the files of a wheel can load

The files come from :mod:`muslfix.loader.files` and :mod:`muslfix.loader.system`; :mod:`muslfix.loader.check`
asks for all files of a run.
"""
