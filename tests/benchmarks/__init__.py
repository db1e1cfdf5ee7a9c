"""How fast muslfix is, beside other installers: ``python tests/benchmarks``."""
