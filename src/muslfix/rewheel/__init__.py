"""A wheel becomes a wheel: planned without unpacking, then written with nothing changed but what must be.

Doors: :mod:`~muslfix.rewheel.wheel_plan` for what is to be renamed, for one target or several;
:func:`~muslfix.rewheel.new_wheel.write_wheel` for the wheel that results. Below it,
:mod:`~muslfix.rewheel.new_zip` makes the archive and :mod:`~muslfix.rewheel.new_file` the file.
"""
