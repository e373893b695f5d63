"""The core's routes below ``/api/v1/``; plugins bring their own beside them."""

from __future__ import annotations

from django.urls import path

from commerce_ai.api import me
from commerce_ai.api.customers import Customers
from commerce_ai.api.docs import docs
from commerce_ai.api.orders import Orders
from commerce_ai.api.prices import Prices
from commerce_ai.api.products import Products
from commerce_ai.api.resource_views import routes
from commerce_ai.api.schema import openapi
from commerce_ai.api.stock import Stock

urlpatterns = [
    path("openapi.json", openapi, name="openapi"),
    path("docs", docs, name="docs"),
    path("me", me.me, name="me"),
    path("decisions/<uuid:decision_id>", me.decision, name="decision"),
    *(route for resource in (Products(), Customers(), Orders(), Stock(), Prices()) for route in routes(resource)),
]
