"""One module for each command; each reads like its own recipe.

:mod:`~muslfix.verbs.selection` has the loop over installed projects that ``fix``, ``undo``, ``check`` and
``verify`` share, :mod:`~muslfix.verbs.reports` what they say of a project that they do not work on.

The commands are in a package of their own because importing a module ``muslfix.install`` would replace the
function of that name.
"""
