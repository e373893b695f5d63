"""Webhooks of shop platforms: who signed them, what they say as rows of ours."""
