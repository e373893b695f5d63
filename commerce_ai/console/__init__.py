"""The admin site: dashboard, navigation, run pages."""
