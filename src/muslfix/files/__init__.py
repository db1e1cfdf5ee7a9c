"""Reading and writing files with care.

- :mod:`muslfix.files.access`: read without trusting who wrote them, made anew, synced to disk
- :mod:`muslfix.files.untrusted_json`: JSON that somebody else may have written
"""
