"""Trainwright: from a table to a model that may go into production and can still be defended in two years."""

from trainwright._version import __version__

__all__ = ["__version__"]
