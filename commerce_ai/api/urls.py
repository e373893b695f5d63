"""The core's routes below ``/api/v1/``; plugins bring their own beside them."""

from __future__ import annotations

from django.urls import path

from commerce_ai.api import experiments, me, privacy
from commerce_ai.api.consent import ConsentOfCustomer
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
    path("experiments", experiments.Experiments.as_view(), name="experiments"),
    path("experiments/<int:experiment_id>", experiments.OneExperiment.as_view(), name="experiment"),
    path("privacy/exports", privacy.Exports.as_view(), name="privacy-exports"),
    path("privacy/exports/<uuid:request_id>", privacy.Export.as_view(), name="privacy-export"),
    path("privacy/exports/<uuid:request_id>/file", privacy.ExportFile.as_view(), name="privacy-export-file"),
    path("privacy/erasures", privacy.Erasures.as_view(), name="privacy-erasures"),
    path("privacy/erasures/<uuid:request_id>", privacy.Erasure.as_view(), name="privacy-erasure"),
    # Before the customers' own routes: an outside id may hold slashes.
    path("customers/<path:external_id>/consent", ConsentOfCustomer.as_view(), name="customer-consent"),
    *(route for resource in (Products(), Customers(), Orders(), Stock(), Prices()) for route in routes(resource)),
]
