"""Keys, scopes, limits, errors, and the routes of the core."""
