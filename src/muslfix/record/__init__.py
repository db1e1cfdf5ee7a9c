"""RECORD as text that can be edited.

Doors: :class:`~muslfix.record.rows.Record` and :class:`~muslfix.record.rows.RecordRow`, and
:class:`~muslfix.record.edit.RecordEdit`, which changes one.
"""
