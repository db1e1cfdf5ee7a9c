"""Zip archives at the level of their bytes, to read them in one way only and to write them anew.

:mod:`~muslfix.zips.directory`
    the end records and the directory
:mod:`~muslfix.zips.members`
    the members where they lie, each behind its local header
:mod:`~muslfix.zips.entries`
    what the entries would become on a disk
:mod:`~muslfix.zips.parts`
    an archive taken apart, with all fields of its headers
:mod:`~muslfix.zips.rezip`
    a new archive made of an old one, byte for byte where nothing changes

:mod:`muslfix.archive` reads members through the first three; :mod:`muslfix.rewheel` repairs with the others.
"""
