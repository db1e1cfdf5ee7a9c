"""All or nothing on a directory tree, through errors, signals, kills and power cuts.

Doors: :class:`~muslfix.transaction.transaction.Transaction`, and
:func:`~muslfix.transaction.leftovers.recover_leftovers` for what an interrupted one has left. Inside, a
journal names each step before it is done, so that it can be taken back.
"""
