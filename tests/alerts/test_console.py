"""The pages: analysts read, operators act, everything is written down, and no secret is shown twice."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from commerce_ai import alerts
from commerce_ai.alerts import inbox, rules
from commerce_ai.alerts.budget import Budget, budget_of
from commerce_ai.alerts.models import Alert, AlertRule, Channel, Delivery
from commerce_ai.shop.models import DailyMetric
from tests.alerts.conftest import make_channel
from tests.factories import ShopMemberFactory, UserFactory

HOOK = "https://hooks.example.com/secret-path"


@pytest.fixture
def sign_in(shop):
    def make(role="operator"):
        user = UserFactory()
        ShopMemberFactory(shop=shop, user=user, role=role)
        client = Client()
        client.force_login(user)
        client.user = user
        return client

    return make


def page(name, *args):
    return reverse(f"console:{name}", args=args)


def say(shop, key="ring:1", severity="warning", **said):
    return alerts.raise_alert(shop.pk, source="fraud", key=key, severity=severity, title=f"{key} <b>", **said)


def test_the_inbox_is_empty_then_ranked_and_holds_no_other_shops_alerts(sign_in, shop, other):
    client = sign_in("analyst")
    assert "Nothing needs you" in client.get(page("alerts")).content.decode()
    small, big = say(shop, "small:1"), say(shop, "big:1", money=500)
    say(other, "theirs:1")
    content = client.get(page("alerts")).content.decode()
    assert content.index("big:1 &lt;b&gt;") < content.index("small:1 &lt;b&gt;") and "theirs:1" not in content
    assert "500" in content and 'name="action"' not in content
    assert client.post(page("alerts"), {"action": "resolve", "alert": [small.pk, big.pk]}).status_code == 403
    assert inbox.open_count(shop) == 2


def test_an_operator_acknowledges_snoozes_assigns_resolves_and_it_is_written_down(sign_in, shop, other):
    client = sign_in()
    alert, theirs = say(shop), say(other)

    def act(action, **sent):
        client.post(page("alerts") + "?state=all", {"action": action, "alert": [alert.pk, theirs.pk], **sent})
        alert.refresh_from_db()

    act("assign", user=client.user.pk)
    assert alert.assigned_to == client.user
    act("assign", user=UserFactory().pk)
    assert alert.assigned_to == client.user
    act("snooze", hours="4")
    assert alert.state == "snoozed" and alert.snoozed_until > timezone.now() + timedelta(hours=3)
    act("reopen")
    act("acknowledge")
    assert alert.state == "acknowledged"
    act("resolve")
    assert alert.state == "resolved"
    act("reopen")
    assert alert.state == "resolved"
    said = list(LogEntry.objects.filter(object_id=alert.pk).order_by("pk").values_list("change_message", flat=True))
    assert len(said) == 5 and said[-1] == "Resolved."
    theirs.refresh_from_db()
    assert theirs.state == "open"


@pytest.mark.parametrize("sent", [
    {"action": "snooze", "hours": "9999"}, {"action": "burn"}, {"action": "assign", "user": "x"}, {"action": "resolve", "alert": "9" * 30},
])  # fmt: skip
def test_nonsense_changes_nothing(sign_in, shop, sent):
    alert = say(shop)
    assert sign_in().post(page("alerts"), {"alert": [alert.pk], **sent}).status_code == 302
    alert.refresh_from_db()
    assert alert.state == "open" and alert.assigned_to is None


def test_filters_find_by_state_source_severity_and_whose(sign_in, shop):
    client = sign_in()
    mine, _bad = say(shop, "mine:1"), say(shop, "bad:1", "critical")
    inbox.assign(shop, [mine.pk], client.user)
    for query, found in (
        ("mine=1", ["mine:1"]), ("severity=3", ["bad:1"]), ("source=fraud", ["bad:1", "mine:1"]), ("source=x", []),
        ("state=resolved", []), ("state=nonsense", ["bad:1", "mine:1"]),
    ):  # fmt: skip
        assert [each.key for each in client.get(f"{page('alerts')}?{query}").context["alerts"]] == found, query


def test_the_bell_counts_with_one_query(sign_in, shop, django_assert_num_queries):
    client = sign_in("analyst")
    say(shop)
    answer = client.get(page("alert-rules"))
    (item,) = [
        each
        for group in answer.context["sidebar_navigation"]
        for each in group["items"]
        if each.get("icon") == "notifications"
    ]
    assert item["badge"] == "1"
    with django_assert_num_queries(1):
        inbox.open_count(shop)
    inbox.acknowledge(shop, list(Alert.objects.of(shop).values_list("pk", flat=True)))
    assert ">1<" not in client.get(page("alert-channels")).content.decode()


def test_rules_are_there_and_can_be_added_changed_switched_off_and_deleted(sign_in, shop, other):
    client = sign_in()
    content = client.get(page("alert-rules")).content.decode()
    assert "revenue" in content and "no events where some are usual" in content
    DailyMetric.objects.create(shop=shop, day=timezone.localdate(), name="returns", value=3)
    sent = {
        "metric": "returns", "dimension": "", "comparison": "above", "direction": "up", "threshold": "2.5",
        "window_days": "7", "severity": "3", "on": "on",
    }  # fmt: skip
    assert client.post(page("alert-rule-add"), {**sent, "window_days": "99"}).status_code == 200
    assert client.post(page("alert-rule-add"), {**sent, "metric": "nonsense"}).status_code == 200
    assert client.post(page("alert-rule-add"), sent).status_code == 302
    made = AlertRule.objects.of(shop).get(metric="returns")
    assert (made.threshold, made.window_days, made.severity) == (2.5, 7, 3)
    assert "would" in client.get(page("alert-rule", made.pk)).content.decode()
    client.post(page("alert-rule", made.pk), {key: value for key, value in sent.items() if key != "on"})
    made.refresh_from_db()
    assert not made.on
    client.post(page("alert-rule-delete", made.pk))
    assert not AlertRule.objects.of(shop).filter(pk=made.pk).exists()
    silent = AlertRule.objects.of(shop).get(check_name="no_events")
    assert client.post(page("alert-rule", silent.pk), {"threshold": "0", "severity": "2"}).status_code == 200
    assert client.post(page("alert-rule", silent.pk), {"threshold": "90", "severity": "2"}).status_code == 302
    silent.refresh_from_db()
    assert (silent.threshold, silent.severity, silent.on) == (90, 2, False)
    assert client.post(page("alert-rule-delete", silent.pk)).status_code == 404
    rules.ensure(other)
    assert client.get(page("alert-rule", AlertRule.objects.of(other).first().pk)).status_code == 404


def test_a_webhooks_secret_is_shown_once_and_its_address_never(sign_in, shop):
    client = sign_in()
    sent = {"kind": "webhook", "name": "desk", "address": HOOK, "min_severity": "2", "on": "on"}
    for wrong in ("https://127.0.0.1/", "http://example.com/", ""):
        assert client.post(page("alert-channel-add"), {**sent, "address": wrong}).status_code == 200
    answer = client.post(page("alert-channel-add"), sent)
    channel = Channel.objects.of(shop).get()
    assert channel.secret.startswith("whsec_") and channel.secret in answer.content.decode()
    assert "no-store" in answer["Cache-Control"] and channel.url == HOOK
    there = page("alert-channel", channel.pk)
    for shown in (client.get(there), client.get(page("alert-channels"))):
        assert channel.secret not in shown.content.decode() and "secret-path" not in shown.content.decode()
    client.post(there, {"save": "1", "name": "night desk", "address": "", "min_severity": "3", "on": "on"})
    channel.refresh_from_db()
    assert (channel.name, channel.url, channel.min_severity) == ("night desk", HOOK, 3)
    old = channel.secret
    rotated = client.post(there, {"action": "rotate"})
    channel.refresh_from_db()
    assert channel.secret != old == channel.old_secret and channel.secret in rotated.content.decode()


def test_a_test_is_queued_and_a_channel_deleted_with_what_waited(sign_in, shop):
    client, channel = sign_in(), make_channel(shop)
    there = page("alert-channel", channel.pk)
    assert client.post(there, {"action": "test"}).status_code == 302
    assert Delivery.objects.of(shop).get().type == "alert.test"
    assert "alert.test" in client.get(there).content.decode()
    client.post(there, {"action": "delete"})
    assert not Channel.objects.of(shop).exists() and not Delivery.objects.of(shop).exists()


def test_a_channel_that_is_switched_off_is_no_trouble_any_more(sign_in, shop):
    channel = make_channel(shop)
    alerts.raise_alert(shop.pk, source="alerts", key=f"channel:{channel.pk}", severity="warning", title="does not work")
    there, sent = page("alert-channel", channel.pk), {"save": "1", "name": "desk", "address": "", "min_severity": "2"}
    client = sign_in()
    client.post(there, {**sent, "on": "on"})
    assert inbox.open_count(shop) == 1
    client.post(there, sent)
    assert inbox.open_count(shop) == 0


def test_the_budget_is_set_by_operators(sign_in, shop):
    sent = {"most_a_day": "4", "digest_hour": "7"}
    assert sign_in("analyst").post(page("alert-channels"), sent).status_code == 403
    sign_in().post(page("alert-channels"), sent)
    shop.refresh_from_db()
    assert budget_of(shop) == Budget(4, 7)


def test_an_analyst_opens_lists_and_no_form(sign_in, shop, channel):
    client = sign_in("analyst")
    rule = rules.all_rules(shop)[0]
    for name in ("alerts", "alert-rules", "alert-channels"):
        assert client.get(page(name)).status_code == 200
    for name, args in (
        ("alert-rule-add", ()), ("alert-rule", (rule.pk,)), ("alert-channel-add", ()), ("alert-channel", (channel.pk,)),
    ):  # fmt: skip
        assert client.get(page(name, *args)).status_code == 403
        assert client.post(page(name, *args)).status_code == 403
    assert client.post(page("alert-rule-delete", rule.pk)).status_code == 403
