"""An experiment's page says how many visitors its figures don't count."""

from __future__ import annotations

from datetime import timedelta

from django.urls import reverse
from django.utils import timezone

from commerce_ai.decisions.experiments.models import Experiment


def test_who_is_not_counted_is_said(owner, shop):
    now = timezone.now()
    made = Experiment.objects.create(
        shop=shop, name="Home page", plugin="recommendation", arms=[{"name": "A"}, {"name": "B"}], state="running",
        starts_at=now - timedelta(days=2), looked_at=now, left_out={"programs": 8, "staff": 3},
    )  # fmt: skip
    page = reverse("console:experiment", args=[made.pk])
    assert "Not counted: 8 programs, 3 of the shop&#x27;s staff." in owner.get(page).content.decode()
    Experiment.objects.of(shop).update(left_out={})
    assert "Not counted" not in owner.get(page).content.decode()
