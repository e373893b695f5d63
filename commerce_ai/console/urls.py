"""The console's own pages, then the plugins'. The admin's follow after these."""

from __future__ import annotations

from django.urls import path

from commerce_ai.console import experiments, pages
from commerce_ai.console.views import decisions, plugins, privacy, shops

app_name = "console"
urlpatterns = [
    path("shop-switch/", shops.switch, name="shop-switch"),
    path("plugins/", plugins.overview, name="plugins"),
    path("plugins/<slug:slug>/", plugins.settings, name="plugin"),
    path("plugins/<slug:slug>/switch/", plugins.switch, name="plugin-switch"),
    path("experiments/", experiments.overview, name="experiments"),
    path("experiments/add/", experiments.add, name="experiment-add"),
    path("experiments/<int:pk>/", experiments.detail, name="experiment"),
    path("experiments/<int:pk>/change/", experiments.change, name="experiment-change"),
    path("attribution/", decisions.attribution, name="attribution"),
    path("privacy/", privacy.register, name="privacy"),
    *pages.urlpatterns(),
]
