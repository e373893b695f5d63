"""The console's own pages, then the plugins'. The admin's follow after these."""

from __future__ import annotations

from django.urls import path

from commerce_ai.console import pages
from commerce_ai.console.views import plugins, privacy, shops

app_name = "console"
urlpatterns = [
    path("shop-switch/", shops.switch, name="shop-switch"),
    path("plugins/", plugins.overview, name="plugins"),
    path("plugins/<slug:slug>/", plugins.settings, name="plugin"),
    path("plugins/<slug:slug>/switch/", plugins.switch, name="plugin-switch"),
    path("privacy/", privacy.register, name="privacy"),
    *pages.urlpatterns(),
]
