"""An installed project, read and changed in place.

Doors: :func:`~muslfix.projects.project.scan_projects`, :func:`~muslfix.projects.in_place.fix_in_place` and
:func:`~muslfix.projects.way_back.undo_in_place`.
"""
