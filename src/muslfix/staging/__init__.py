"""A wheel becomes a staged tree beside its destination, and the staged tree moves in.

Each step takes a value and returns one, a :class:`~muslfix.staging.tree.StagedWheel`. In their order:

- :func:`muslfix.staging.unpack.unpack`: write each member, verified, into a private directory
- :func:`muslfix.staging.rename.rename_modules`: give extension modules the names they lack
- :func:`muslfix.staging.conflicts.find_conflicts`: refuse what would meet a file of others
- :func:`muslfix.staging.bytecode.compile_wheels`: let the target compile the modules
- :func:`muslfix.staging.tree.write_record`: complete the tree
- :func:`muslfix.staging.place.move_out`, :func:`~muslfix.staging.place.place`: replace what is there; which
  files that is says :func:`muslfix.staging.replaced.leaving_files`
"""
