"""Which products to show to whom."""
