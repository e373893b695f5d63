"""The door of shop platforms: signed by the shop's secret, committed before it is acknowledged, applied by a worker."""

from __future__ import annotations

import logging

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.csrf import csrf_exempt

from commerce_ai.api import applying
from commerce_ai.api.errors import ApiError, as_api_error, error_response, unexpected
from commerce_ai.ingest.webhooks import receiving
from commerce_ai.ingest.webhooks.receiving import Delivery

logger = logging.getLogger(__name__)

MOST_BYTES = 5 << 20


@csrf_exempt
def shopify(request: HttpRequest) -> HttpResponse:
    """200 once it is committed, for a topic that nobody here knows too; 401 for a signature that is not the shop's."""
    try:
        _receive(request)
        return HttpResponse(b"{}", content_type="application/json")
    except ApiError as error:
        return error_response(error)
    except Exception as error:
        return error_response(as_api_error(error) or unexpected(error, request.path))


def _receive(request: HttpRequest) -> None:
    if request.method != "POST":
        raise ApiError("method_not_allowed", _("This route has no such method."), 405, headers={"Allow": "POST"})
    if int(request.META.get("CONTENT_LENGTH") or 0) > MOST_BYTES or len(body := request.body) > MOST_BYTES:
        raise ApiError("too_large", _("The body is too large."), 413)
    said = request.headers
    delivery = Delivery(
        "shopify", said.get("X-Shopify-Shop-Domain", ""), said.get("X-Shopify-Topic", ""),
        said.get("X-Shopify-Webhook-Id", ""), said.get("X-Shopify-Hmac-Sha256", ""),
    )  # fmt: skip
    source = receiving.source_of(delivery, body)
    if source is None:
        raise ApiError("unauthorized", _("The signature is not valid."), 401)
    with transaction.atomic():
        if receiving.store(source, delivery, body):
            transaction.on_commit(applying.wake, robust=True)
