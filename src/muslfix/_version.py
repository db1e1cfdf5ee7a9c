"""The version of muslfix, where every module can read it without importing the package's face."""

__version__ = "1.0.0"
