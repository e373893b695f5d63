"""The console's pages in the chosen shop's time zone. Other routes pass untouched."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import cached_property

from commerce_ai.console.scope import scope_of


class ShopTime:
    """Middleware, after authentication: instants on the console's pages are shown and read on the shop's clock."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    @cached_property
    def console(self) -> str:
        return reverse("admin:index")

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path_info.startswith(self.console) or not request.user.is_authenticated:
            return self.get_response(request)
        shop = scope_of(request).shop
        with timezone.override(shop.tz if shop else None):
            return self.get_response(request)
