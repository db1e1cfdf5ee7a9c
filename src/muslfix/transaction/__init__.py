"""All or nothing on a directory tree, through errors, signals, kills and power cuts.

Door: :class:`~muslfix.transaction.transaction.Transaction`. Inside, a journal names each step before it is
done, and a later run takes back what an interrupted one has left.
"""
