"""A plugin's routes below ``/api/v1/``: its DRF views answer 404 in a shop where it is off, as its hot ones do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.urls import URLPattern, URLResolver, include, path
from django.urls.resolvers import RoutePattern

from commerce_ai.api.rest import ShopView
from commerce_ai.plugin import Plugin


def mounted(plugins: Iterable[Plugin]) -> URLResolver:
    """The routes of all plugins, to be put before the core's. Under one prefix: it is taken off a path once, not once
    a plugin."""
    routes = [each for plugin in plugins for each in _guarded(plugin.urlpatterns(), plugin.slug)]
    return path("api/v1/", include(routes))


def _guarded(patterns: Iterable[URLPattern | URLResolver], slug: str) -> Iterator[URLPattern | URLResolver]:
    for each in patterns:
        if isinstance(each, URLResolver):
            assert isinstance(each.pattern, RoutePattern), f"{slug}: routes are made with path()"
            yield path(str(each.pattern), include(list(_guarded(each.url_patterns, slug))))
            continue
        # A function that passes on to a view of the core's is not the view itself.
        callback: Any = each.callback
        if issubclass(getattr(callback, "view_class", object), ShopView):
            started = callback.view_class.as_view(**callback.view_initkwargs, plugin=slug)
            each = URLPattern(each.pattern, started, each.default_args, each.name)
        yield each
