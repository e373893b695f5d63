"""Text, image, time and graph features as vectors."""
