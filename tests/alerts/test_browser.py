"""The inbox in a real browser, on a desktop and a phone: nothing is cut off, and an alert is acknowledged."""

from __future__ import annotations

import pytest
from django.urls import reverse

from commerce_ai import alerts
from commerce_ai.alerts import inbox, rules
from commerce_ai.alerts.models import AlertRule
from tests.alerts.conftest import make_channel
from tests.browsing import IN_A_BROWSER

pytestmark = [*IN_A_BROWSER, pytest.mark.process, pytest.mark.xdist_group("process")]


def test_an_alert_is_acknowledged_and_the_bell_goes_quiet(signed_in, garden):
    page = signed_in.page
    for key, severity, money in (("ring:1", "critical", 940), ("surge:1", "warning", None), ("note:1", "info", 12.5)):
        alerts.raise_alert(
            garden.pk, source="fraud", key=key, severity=severity, money=money, url="/console/",
            title="More payments of one card than usual", detail="On 2026-03-01, beside the weeks before.",
        )  # fmt: skip
    make_channel(garden, last_error="The receiver answered 503.")
    rules.ensure(garden)
    orders = AlertRule.objects.of(garden).get(metric="orders")
    for name, args in (
        ("alert-rules", ()),
        ("alert-channels", ()),
        ("alert-rule", (orders.pk,)),
        ("alert-channel-add", ()),
    ):
        signed_in.open(reverse(f"console:{name}", args=args), name)
    signed_in.open(reverse("console:alerts"), "alerts")
    page.get_by_role("checkbox", name="More payments of one card than usual").first.check()
    page.get_by_role("button", name="Acknowledge").click()
    page.get_by_text("1 alert: Acknowledged.").wait_for()
    signed_in.settle()
    assert inbox.open_count(garden) == 2
