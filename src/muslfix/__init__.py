"""Make misnamed extension modules importable on musl and glibc Pythons."""

__version__ = "0.1.0"
