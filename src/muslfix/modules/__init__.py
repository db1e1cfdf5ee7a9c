"""The extension modules of one project, and the plan that makes them importable: the heart of muslfix.

Doors: :func:`~muslfix.modules.candidates.plan_tree` scans and plans; :mod:`~muslfix.modules.plan` decides;
:mod:`muslfix.verdicts` has the words, which the load check below shares.
"""
