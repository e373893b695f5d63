"""The facts: tables that every plugin shares, and the ways to write and read many rows at once."""
