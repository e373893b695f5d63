"""Asks again what a decision was about, for versions in the shadow: same visitor, place, product and length."""

from __future__ import annotations

from typing import Any

from commerce_ai.api.callers import Subject
from commerce_ai.decisions.experiments.drawing import Drawn
from commerce_ai.decisions.experiments.shadow import Again
from commerce_ai.shop.models import Customer
from plugins.recommendation.answers import Request
from plugins.recommendation.service import UnknownProduct, recommend, similar


def again(shop_id: int, decision: Any, drawn: Drawn) -> Again | None:
    """What `drawn` would show now; nothing is kept. None for a decision that showed nothing, or a product that is gone.

    Filters and what the page had excluded are not in a decision: both sides are asked without.
    """
    items = decision.payload.get("items") or ()
    if not items:
        return None
    external_id = None
    if decision.customer_id is not None:
        rows = Customer.objects.of(shop_id).filter(pk=decision.customer_id)
        external_id = rows.values_list("external_id", flat=True).first()
    subject = Subject(
        customer_external_id=external_id, anonymous_id=decision.anonymous_id or None,
        session_id=decision.session_id or None, proven=external_id is not None,
    )  # fmt: skip
    product = decision.subject.removeprefix("product:") if decision.subject.startswith("product:") else ""
    request = Request(placement=decision.placement, n=len(items), products=(product,) if product else ())
    try:
        if decision.kind == "similar":
            answer = similar(shop_id, subject, product, request, keep=False, drawn=drawn)
        else:
            answer = recommend(shop_id, subject, request, keep=False, drawn=drawn)
    except UnknownProduct:
        return None
    version_id = int(answer.version.rpartition(" v")[2]) if answer.version else None
    return Again(tuple(each.product_id for each in answer.items), version_id, answer.fallback)
