"""What the loader of a target will do with a file.

:class:`~muslfix.loader.check.LoadCheck`
    the door for the files of a run: installed, staged, or in a wheel
:mod:`~muslfix.loader.dlopen`
    what ``dlopen`` does with a module, and what a process has loaded when it starts
:mod:`~muslfix.loader.rules`, :mod:`~muslfix.loader.musl`, :mod:`~muslfix.loader.glibc`
    how a library is found and a symbol bound: what both libcs share, and the rules of each
:mod:`~muslfix.loader.oddities`, :mod:`~muslfix.loader.thread_local`
    what goes wrong although all is found: a file that is odd in itself, too many thread-local variables
:mod:`~muslfix.loader.facts`
    the values: what a loader reads in a file and has in a process, and what goes wrong
:mod:`~muslfix.loader.files`, :mod:`~muslfix.loader.system`
    the files of the target and the settings of its loader; no other module here opens files
:mod:`~muslfix.loader.musl_floor`, :mod:`~muslfix.loader.musl_exports`
    the lowest musl on which the files of a wheel can load, and the version that introduced each symbol
"""
