"""A small made-up shop, the same for the same seed and day: to look at, to test with, to measure on."""
