"""What plugs muslfix into other tools: one module for each, and ``run`` for those that have no hook.

A tool loads its module when muslfix is installed beside it. The modules import nothing of muslfix until the
hook fires, and of the tool only what it has loaded already.
"""
