"""Guesses a product's next rating: the smallest plugin that uses every extension point."""
