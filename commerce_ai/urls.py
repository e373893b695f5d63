"""Every route: the core's, then each installed plugin's. A plugin that is off in a shop answers 404 there."""

from django.contrib import admin
from django.urls import include, path, re_path
from django.views.generic import RedirectView

from commerce_ai import registry
from commerce_ai.api import errors, health
from commerce_ai.api.mounting import mounted
from commerce_ai.sample import pictures

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("console/", include("commerce_ai.console.urls")),
    path("console/", admin.site.urls),
    # Plugins first: `prices/simulate` is a route, and not the price of a product called "simulate".
    mounted(registry.plugins()),
    path("api/v1/", include("commerce_ai.api.urls")),
    path("v1/", include("commerce_ai.api.tracking_urls")),
    path("webhooks/", include("commerce_ai.api.webhook_urls")),
    path(f"{pictures.PATH}<str:name>", pictures.picture, name="sample-picture"),
    re_path(r"^(?:api|v1|webhooks)/", errors.unknown_route),
]
# Pages for people, and the one error shape for programs.
handler400, handler403 = errors.handle_400, errors.handle_403
handler404, handler500 = errors.handle_404, errors.handle_500
