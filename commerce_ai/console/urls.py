"""The console's own pages, then the plugins'. The admin's follow after these."""

from __future__ import annotations

from django.urls import path

from commerce_ai.console import alerts, alerts_channels, alerts_rules, experiments, pages
from commerce_ai.console.views import behaviour, decisions, plugins, privacy, search, shops

app_name = "console"
urlpatterns = [
    path("shop-switch/", shops.switch, name="shop-switch"),
    path("plugins/", plugins.overview, name="plugins"),
    path("plugins/<slug:slug>/", plugins.settings, name="plugin"),
    path("plugins/<slug:slug>/switch/", plugins.switch, name="plugin-switch"),
    path("plugins/<slug:slug>/mode/", plugins.mode, name="plugin-mode"),
    path("experiments/", experiments.overview, name="experiments"),
    path("experiments/add/", experiments.add, name="experiment-add"),
    path("experiments/<int:pk>/", experiments.detail, name="experiment"),
    path("experiments/<int:pk>/change/", experiments.change, name="experiment-change"),
    path("alerts/", alerts.overview, name="alerts"),
    path("alerts/rules/", alerts_rules.overview, name="alert-rules"),
    path("alerts/rules/add/", alerts_rules.add, name="alert-rule-add"),
    path("alerts/rules/<int:pk>/", alerts_rules.change, name="alert-rule"),
    path("alerts/rules/<int:pk>/delete/", alerts_rules.delete, name="alert-rule-delete"),
    path("alerts/channels/", alerts_channels.overview, name="alert-channels"),
    path("alerts/channels/add/", alerts_channels.add, name="alert-channel-add"),
    path("alerts/channels/<int:pk>/", alerts_channels.detail, name="alert-channel"),
    path("search/", search.search, name="search"),  # in place of the admin's, which follows
    path("behaviour/", behaviour.overview, name="behaviour"),
    path("customers/<int:pk>/", behaviour.customer, name="customer"),
    path("attribution/", decisions.attribution, name="attribution"),
    path("privacy/", privacy.register, name="privacy"),
    *pages.urlpatterns(),
]
