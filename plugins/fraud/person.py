"""What fraud checks know of one customer: the cases of their payments, and what people said of them."""

from __future__ import annotations

from django.urls import reverse
from django.utils.translation import gettext as _

from commerce_ai.console.money import money
from commerce_ai.plugin import Known
from commerce_ai.shop.models import Customer, Shop
from plugins.fraud.models import Case

MOST = 5


def known(shop: Shop, customer: Customer) -> list[Known]:
    cases = Case.objects.of(shop).filter(customer=customer).order_by("-opened_at", "-pk")
    return [_line(each) for each in cases[:MOST]]


def _line(case: Case) -> Known:
    why = " ".join(str(each.get("text", "")) for each in case.reasons or [])
    score = _("by rules") if case.score is None else _("%(share).0f %% likely fraud") % {"share": 100 * case.score}
    return Known(
        _("Payment %(payment)s over %(amount)s") % {"payment": case, "amount": money(case.amount, case.currency)},
        f"{case.get_action_display()}, {score}: {case.get_state_display()}", why,
        reverse("admin:fraud_case_change", args=[case.pk]), case.opened_at,
    )  # fmt: skip
