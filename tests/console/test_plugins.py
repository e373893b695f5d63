"""Plugins: the master switch, the settings form, schedules, health, and those that were left out."""

from __future__ import annotations

import dataclasses

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse

from commerce_ai import registry
from commerce_ai.models import PluginState, ScheduleState
from commerce_ai.plugin import Found
from commerce_ai.shop.revision import refresher

SLUG = "recommendation"


@pytest.fixture
def on(shop):
    registry.switch(shop, SLUG, on=True)
    refresher.poll()


def test_switching_on_and_off(owner, shop):
    address = reverse("console:plugin-switch", args=[SLUG])
    for on in (True, False):
        answer = owner.post(address, {"on": int(on)}, follow=True)
        refresher.poll()
        assert registry.is_on(shop.pk, SLUG) == on
        assert f'aria-checked="{str(on).lower()}"' in answer.content.decode()
    assert [each.get_change_message() for each in LogEntry.objects.order_by("pk")] == ["Switched on.", "Switched off."]
    assert owner.get(address).status_code == 405


def test_an_analyst_switches_nothing(sign_in, shop):
    analyst = sign_in("analyst")
    assert analyst.post(reverse("console:plugin-switch", args=[SLUG]), {"on": 1}).status_code == 403
    assert analyst.post(reverse("console:plugin", args=[SLUG]), {}).status_code == 403
    assert analyst.get(reverse("console:plugins")).status_code == 200
    assert analyst.get(reverse("console:plugin", args=[SLUG])).status_code == 200
    assert not PluginState.objects.exists()


def test_the_other_shop_keeps_its_switch(owner, shop, other):
    owner.post(reverse("console:plugin-switch", args=[SLUG]), {"on": 1})
    refresher.poll()
    assert not registry.is_on(other.pk, SLUG)


def test_settings_are_saved_and_act(owner, shop, on):
    form = owner.get(reverse("console:plugin", args=[SLUG])).context["form"]
    sent = {name: value for name, value in _initial(form).items() if value not in (None, False)}
    changed = {**sent, "bestsellers_only": "on"}
    assert owner.post(reverse("console:plugin", args=[SLUG]), changed).status_code == 302
    refresher.poll()
    assert registry.settings_for(shop.pk, SLUG).bestsellers_only is True
    shown = owner.get(reverse("console:plugin", args=[SLUG])).context["form"]
    assert _initial(shown)["bestsellers_only"] is True
    assert "bestsellers_only" in LogEntry.objects.latest("pk").get_change_message()


def test_a_wrong_setting_is_said_at_its_field(owner, shop, on):
    form = owner.get(reverse("console:plugin", args=[SLUG])).context["form"]
    sent = {name: value for name, value in _initial(form).items() if value not in (None, False)}
    answer = owner.post(reverse("console:plugin", args=[SLUG]), {**sent, "source": "nobody.knows"})
    assert answer.status_code == 200 and "source" in answer.context["form"].errors


def test_secrets_are_kept_replaced_and_never_sent_back(owner, shop, monkeypatch):
    from django import forms

    class Form(forms.Form):
        floor = forms.IntegerField(initial=1)
        token = forms.CharField(required=False, initial="", widget=forms.PasswordInput)

    monkeypatch.setattr(type(registry.plugin(SLUG)), "settings_form_class", lambda self: Form)
    address = reverse("console:plugin", args=[SLUG])

    def token():
        return PluginState.objects.get(shop=shop, plugin=SLUG).read_settings(Form)["token"]

    owner.post(address, {"floor": 1, "token": "first-secret"})
    assert token() == "first-secret"
    assert "first-secret" not in owner.get(address).content.decode()
    owner.post(address, {"floor": 2, "token": ""})
    assert token() == "first-secret"
    owner.post(address, {"floor": 2, "token": "second-secret"})
    assert token() == "second-secret"
    owner.post(address, {"floor": 2, "token": "", "token-clear": "1"})
    assert token() == ""


def test_no_such_plugin(owner):
    assert owner.get(reverse("console:plugin", args=["nobody"])).status_code == 404
    assert owner.post(reverse("console:plugin-switch", args=["nobody"]), {"on": 1}).status_code == 404


def test_a_plugin_that_was_left_out_is_shown_with_its_error(owner, settings):
    settings.THIRD_PARTY = [Found("acme", "acme", "acme 1.0", "ImportError: no module named gift")]
    page = owner.get(reverse("console:plugins")).content.decode()
    assert "acme 1.0" in page and "no module named gift" in page


def test_a_third_partys_failing_health_does_not_take_the_page_with_it(owner, on, monkeypatch):
    def fail(self, *args):
        raise RuntimeError("broken inside")

    monkeypatch.setattr(type(registry.plugin(SLUG)), "health", fail)
    monkeypatch.setattr(type(registry.plugin(SLUG)), "cards", fail)
    for address in (reverse("console:plugins"), reverse("admin:index")):
        answer = owner.get(address)
        assert answer.status_code == 200 and "broken inside" in answer.content.decode()


def test_schedules_are_retimed_by_their_owner_and_not_for_others(owner, shop, other, on):
    registry.switch(other, SLUG, on=True)
    state = ScheduleState.objects.get(shop=shop, name="retrain")
    address = reverse("admin:commerce_ai_schedulestate_change", args=[state.pk])
    shown = owner.get(address).content.decode()
    assert 'value="03:15' in shown
    assert owner.post(address, {"enabled": "on", "at": "05:45", "every_minutes": ""}).status_code == 302
    state.refresh_from_db()
    assert (state.periodic_task.crontab.hour, state.periodic_task.crontab.minute) == ("5", "45")
    assert str(state.periodic_task.crontab.timezone) == "Asia/Tokyo"
    theirs = ScheduleState.objects.get(shop=other, name="retrain").periodic_task.crontab
    assert (theirs.hour, theirs.minute) == ("3", "15")
    assert owner.post(address, {"at": "", "every_minutes": "30"}).status_code == 302
    state.refresh_from_db()
    assert state.periodic_task.crontab is None and not state.periodic_task.enabled
    assert state.periodic_task.interval.every == 1800
    for wrong in ({"at": "", "every_minutes": ""}, {"at": "05:00", "every_minutes": "5"}):
        assert owner.post(address, wrong).status_code == 200


def test_a_schedule_is_asked_to_run_now(owner, shop, on, monkeypatch):
    asked = []
    monkeypatch.setattr("commerce_ai.tasks.run_schedule.delay", asked.append)
    state = ScheduleState.objects.get(shop=shop, name="retrain")
    assert owner.post(reverse("admin:commerce_ai_schedulestate_run", args=[state.pk])).status_code == 302
    assert asked == [state.pk]


def _initial(form):
    return {name: form.get_initial_for_field(field, name) for name, field in form.fields.items()}


def test_settings_dataclass_and_form_agree():
    form = registry.plugin(SLUG).settings_form_class()
    assert set(form.base_fields) == {each.name for each in dataclasses.fields(registry.default_settings(SLUG))}
