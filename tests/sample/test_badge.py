"""Where a shop's numbers are made up, the console says so; elsewhere it does not."""

from __future__ import annotations

import pytest
from django.urls import reverse

from commerce_ai.sample.load import MARK
from commerce_ai.shop.models import Shop


@pytest.mark.django_db
@pytest.mark.parametrize(("settings", "badges"), [({MARK: {"seed": 1}}, 2), ({}, 0)])
def test_a_made_up_shop_is_called_simulated(admin_client, settings, badges):
    Shop.objects.create(slug="x", name="X", currency="EUR", settings=settings)
    page = admin_client.get(reverse("console:experiments"))
    assert page.status_code == 200
    assert page.content.decode().count(">simulated</span>") == badges  # beside the shop's name, and on the board
