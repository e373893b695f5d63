"""Commerce AI: what happens in a shop becomes decisions that raise conversion."""

__version__ = "0.1.0"
