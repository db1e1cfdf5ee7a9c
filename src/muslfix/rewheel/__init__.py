"""A wheel becomes a wheel: planned without unpacking, written anew with only the changed parts changed.

Doors: :func:`~muslfix.rewheel.wheel_tree.plan_wheel`, :mod:`~muslfix.rewheel.rewheel`.
"""
