"""One module for each thing that a user asks for; each reads like its own recipe.

They have a folder of their own so that ``muslfix.install`` can be the function: a module of that name beside
it would take its place in the package as soon as it is imported.
"""
