"""A wheel file, judged before anything of it is written.

:mod:`~muslfix.wheels.wheel`
    the door: :func:`~muslfix.wheels.wheel.open_wheel` opens a wheel and judges all of it, as follows
:mod:`~muslfix.wheels.archive`
    :func:`~muslfix.wheels.archive.open_archive` opens the zip archive alone, and reads its members
:mod:`~muslfix.wheels.zip_directory`, :mod:`~muslfix.wheels.zip_members`
    the one parser of zip archives: what could be read in two ways is refused
:mod:`~muslfix.wheels.zip_names`
    names that would escape the tree (path traversal), links, two entries for one place, bombs
:mod:`~muslfix.wheels.zip_format`
    how the records of an archive are laid out
:mod:`~muslfix.wheels.decompress`
    members that are compressed in an unusual way
:mod:`~muslfix.wheels.metadata`, :mod:`~muslfix.wheels.contents`
    what the wheel says of itself; RECORD and scripts
:mod:`~muslfix.wheels.file_name`
    what its file name promises
:mod:`~muslfix.wheels.limits`
    how large a wheel may become
"""
