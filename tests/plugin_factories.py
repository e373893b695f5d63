"""Rows of our plugins' own tables, made as those of the shop."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import factory

from plugins.advertising.models import Assignment, Audience, AudienceExport
from plugins.fraud.models import Case
from plugins.inventory.models import ReorderProposal
from plugins.pricing.models import PriceProposal
from plugins.sentiment.models import Judgement, SentimentAlert
from plugins.support.models import AnswerTemplate
from tests.factories import (
    BEGINNING,
    CampaignFactory,
    CustomerFactory,
    InShop,
    ProductFactory,
    ReviewFactory,
    SupplierFactory,
    in_shop,
)

DAY = date(2026, 3, 1)


class AssignmentFactory(InShop):
    class Meta:
        model = Assignment

    campaign = in_shop(CampaignFactory)
    customer = in_shop(CustomerFactory)
    treated = True


class AudienceFactory(InShop):
    class Meta:
        model = Audience

    name = factory.Sequence("audience-{}".format)


class AudienceExportFactory(InShop):
    class Meta:
        model = AudienceExport

    audience = in_shop(AudienceFactory)
    platform = "google"
    rows, without_consent, without_contact = 120, 7, 3
    sha256 = "0" * 64


class CaseFactory(InShop):
    class Meta:
        model = Case

    payment_external_id = factory.Sequence("payment-{}".format)
    action = "review"
    amount = Decimal("75.00")
    currency = "EUR"


class ReorderProposalFactory(InShop):
    class Meta:
        model = ReorderProposal

    product = in_shop(ProductFactory)
    supplier = in_shop(SupplierFactory)
    quantity = proposed_quantity = Decimal(12)
    available = Decimal(3)
    order_by = DAY
    lead_days, safety_stock, reorder_point, order_up_to = 7.0, 4.0, 10.0, 24.0
    service_level = 0.95


class PriceProposalFactory(InShop):
    class Meta:
        model = PriceProposal

    product = in_shop(ProductFactory)
    current_price, price = Decimal("10.00"), Decimal("9.50")
    starts_on = DAY
    elasticity_low, elasticity, elasticity_high = -2.5, -2.0, -1.5


class JudgementFactory(InShop):
    class Meta:
        model = Judgement

    kind = "review"
    text_id = factory.LazyAttribute(lambda judged: ReviewFactory(shop=judged.shop).pk)
    at = BEGINNING
    day = BEGINNING.date()
    label = "negative"
    sentiment = -0.8


class SentimentAlertFactory(InShop):
    class Meta:
        model = SentimentAlert

    product = in_shop(ProductFactory)
    day = DAY
    texts, negative = 40, 12
    expected, chance = 0.1, 0.001


class AnswerTemplateFactory(InShop):
    class Meta:
        model = AnswerTemplate

    intent = factory.Sequence("intent-{}".format)
    text = "Yes, we gift-wrap."
