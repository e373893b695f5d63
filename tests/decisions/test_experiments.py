"""Who sees which arm, and what may run beside what."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from commerce_ai import registry
from commerce_ai.api.callers import Subject
from commerce_ai.decisions.experiments import lifecycle, units
from commerce_ai.decisions.experiments.arms import Arm
from commerce_ai.decisions.experiments.assignment import assign, pick, position
from commerce_ai.decisions.experiments.lifecycle import CannotBe
from commerce_ai.decisions.experiments.models import Experiment
from commerce_ai.models import PluginState
from commerce_ai.shop.models import Shop
from commerce_ai.shop.revision import refresher
from tests.factories import CustomerFactory, IdentityFactory, ShopFactory

PLUGIN = "recommendation"
ARMS = [{"name": "A", "config": {"source": "bestsellers"}}, {"name": "B", "config": {"source": "auto"}}]


@pytest.fixture
def shop(db: None) -> Shop:
    units.forget_all()
    made = ShopFactory()
    registry.switch(made, PLUGIN, True)
    return made


def make(shop: Shop, **fields) -> Experiment:
    fields = {"name": "Who chooses", "plugin": PLUGIN, "placement": "home", "arms": ARMS, **fields}
    return Experiment.objects.create(shop=shop, **fields)


def run(shop: Shop, **fields) -> Experiment:
    made = lifecycle.start(make(shop, **fields))
    refresher.poll()
    return made


def visitor(name: str) -> Subject:
    return Subject(anonymous_id=name)


def customer(name: str, anonymous_id: str | None = None) -> Subject:
    return Subject(customer_external_id=name, anonymous_id=anonymous_id, proven=True)


def arms_of(shop: Shop, names, placement: str = "home") -> list[str | None]:
    found = (assign(shop.pk, PLUGIN, placement, visitor(each)) for each in names)
    return [each.arm if each else None for each in found]


# --- the draw ---


@given(st.text(min_size=1), st.text(min_size=1))
def test_a_position_is_in_the_interval_and_stays(salt, token):
    assert 0 <= position(salt, token) < 1
    assert position(salt, token) == position(salt, token)


@given(st.lists(st.floats(0.01, 100), min_size=2, max_size=8), st.floats(0, 1, exclude_max=True))
def test_arms_share_the_interval_by_weight(weights, at):
    arms = tuple(Arm(str(number), weight) for number, weight in enumerate(weights))
    below = sum(weights[: int(pick(arms, at).name)])
    assert below - 1e-6 <= at * sum(weights) <= below + pick(arms, at).weight + 1e-6


def test_draws_are_even_and_independent_between_salts():
    one = [position("one", str(each)) < 0.5 for each in range(20_000)]
    two = [position("two", str(each)) < 0.5 for each in range(20_000)]
    assert abs(sum(one) - 10_000) < 300
    assert abs(sum(a and b for a, b in zip(one, two, strict=True)) - 5_000) < 300


def test_a_visitor_keeps_the_arm_and_is_only_drawn_where_it_runs(shop):
    experiment = run(shop)
    first = arms_of(shop, map(str, range(200)))
    assert first == arms_of(shop, map(str, range(200)))
    assert 60 < first.count("A") < 140 and first.count("A") + first.count("B") == 200
    assert arms_of(shop, ["1"], placement="cart") == [None]
    assert assign(shop.pk, "pricing", "home", visitor("1")) is None
    assert assign(shop.pk, PLUGIN, "home", Subject()) is None
    found = assign(shop.pk, PLUGIN, "home", visitor("1"))
    assert (found.experiment_id, found.config) == (
        experiment.pk, {"source": {"A": "bestsellers", "B": "auto"}[found.arm]},
    )  # fmt: skip


def test_warm_nothing_is_read_from_postgres(shop, django_assert_num_queries):
    run(shop, unit="customer")
    CustomerFactory(shop=shop, external_id="c1")
    assign(shop.pk, PLUGIN, "home", customer("c1", "a1"))
    with django_assert_num_queries(0):
        assign(shop.pk, PLUGIN, "home", customer("c1", "a2"))
        assign(shop.pk, PLUGIN, "home", visitor("a3"))


@pytest.mark.parametrize("unit", ["visitor", "customer"])
def test_who_signs_in_keeps_the_strangers_arm_on_every_device(shop, unit):
    run(shop, unit=unit)
    for n in range(12):
        stranger = assign(shop.pk, PLUGIN, "home", visitor(f"phone-{n}"))
        IdentityFactory(shop=shop, anonymous_id=f"phone-{n}", customer=CustomerFactory(shop=shop, external_id=f"c{n}"))
        assert assign(shop.pk, PLUGIN, "home", customer(f"c{n}", f"phone-{n}")) == stranger
        assert assign(shop.pk, PLUGIN, "home", customer(f"c{n}")) == stranger
        if unit == "customer":
            assert assign(shop.pk, PLUGIN, "home", customer(f"c{n}", f"laptop-{n}")) == stranger


def test_the_first_id_stays_when_another_process_or_redis_forgets(shop):
    run(shop, unit="customer")
    first = units.first_of(shop.pk, "c1", None)  # came without any anonymous id
    IdentityFactory(shop=shop, anonymous_id="later", customer=CustomerFactory(shop=shop, external_id="c1"))
    units.forget_all()
    assert units.first_of(shop.pk, "c1", "later") == first
    known = units.first_of(shop.pk, "c2", "a2")
    IdentityFactory(shop=shop, anonymous_id="a2", customer=CustomerFactory(shop=shop, external_id="c2"))
    units.forget_all()
    for key in units._client().keys("*unit:*"):
        units._client().delete(key)
    assert units.first_of(shop.pk, "c2", "another").token == known.token


def test_the_audience_is_known_or_new_and_by_country(shop):
    CustomerFactory(shop=shop, external_id="de", country="DE")
    CustomerFactory(shop=shop, external_id="fr", country="FR")
    run(shop, audience={"known": False})
    run(shop, placement="cart", audience={"known": True, "countries": ["FR"]})
    assert assign(shop.pk, PLUGIN, "home", visitor("1")) and not assign(shop.pk, PLUGIN, "home", customer("de"))
    assert assign(shop.pk, PLUGIN, "cart", customer("fr")) and not assign(shop.pk, PLUGIN, "cart", customer("de"))
    assert not assign(shop.pk, PLUGIN, "cart", Subject(customer_external_id="fr", anonymous_id="1"))  # only claimed


def test_nobody_is_in_two_experiments_of_one_group(shop):
    one = run(shop, group="g", traffic=0.5)
    two = run(shop, group="g", traffic=0.5, placement="")
    people = [str(each) for each in range(300)]
    at_home = [assign(shop.pk, PLUGIN, "home", visitor(each)).experiment_id for each in people]
    assert set(at_home) == {one.pk, two.pk} and 100 < at_home.count(one.pk) < 200
    in_cart = [assign(shop.pk, PLUGIN, "cart", visitor(each)) for each in people]
    assert [each is not None for each in in_cart] == [each == two.pk for each in at_home]
    with pytest.raises(CannotBe, match="0 %"):
        lifecycle.start(make(shop, group="g", traffic=0.1))
    lifecycle.stop(one)
    assert lifecycle.start(make(shop, group="g", traffic=0.5)).place == 0


def test_two_without_a_group_do_not_decide_over_the_same_visitors(shop):
    run(shop)
    with pytest.raises(CannotBe, match="Who chooses"):
        lifecycle.start(make(shop, placement=""))
    lifecycle.start(make(shop, placement="cart"))


def test_the_holdout_comes_before_all_and_grows_around_itself(shop):
    run(shop)
    people = [str(each) for each in range(400)]
    small = lifecycle.set_holdout(shop, 0.1)
    refresher.poll()
    held = {each for each in people if assign(shop.pk, PLUGIN, "home", visitor(each)).holdout}
    assert 20 < len(held) < 65
    assert lifecycle.set_holdout(shop, 0.1) == small
    lifecycle.set_holdout(shop, 0.3)
    refresher.poll()
    assert held < {each for each in people if assign(shop.pk, PLUGIN, "home", visitor(each)).holdout}
    lifecycle.set_holdout(shop, 0)
    refresher.poll()
    assert not any(assign(shop.pk, PLUGIN, "home", visitor(each)).holdout for each in people)
    with pytest.raises(CannotBe):
        lifecycle.set_holdout(shop, 0.9)


# --- its life ---


def test_it_draws_between_start_and_stop(shop):
    experiment = make(shop, starts_at=timezone.now() + timedelta(hours=1))
    refresher.poll()
    assert arms_of(shop, ["1"]) == [None]
    lifecycle.start(experiment)
    refresher.poll()
    assert arms_of(shop, ["1"]) == [None]
    experiment.starts_at = timezone.now() - timedelta(hours=1)
    experiment.save()
    refresher.poll()
    assert arms_of(shop, ["1"]) != [None]
    lifecycle.stop(experiment)
    refresher.poll()
    assert arms_of(shop, ["1"]) == [None]
    for step in (lifecycle.start, lifecycle.stop):
        with pytest.raises(CannotBe):
            step(experiment)


def test_what_was_shipped_is_the_plugins_setting_and_the_rest_stays(shop):
    registry.save_settings(shop, PLUGIN, {"source": "auto", "items": 7, "exclude_purchased": True})
    refresher.poll()
    experiment = run(shop)
    lifecycle.ship(experiment, "A")
    refresher.poll()
    settings = registry.settings_for(shop.pk, PLUGIN)
    assert (settings.source, settings.items) == ("bestsellers", 7)
    assert experiment.state == "shipped" and experiment.stops_at and arms_of(shop, ["1"]) == [None]
    with pytest.raises(CannotBe):
        lifecycle.ship(experiment, "B")


def test_what_was_shipped_can_be_taken_back_until_somebody_changes_it(shop):
    registry.save_settings(shop, PLUGIN, {"source": "auto", "items": 7, "exclude_purchased": True})
    config = {"source": "bestsellers", "exclude_purchased": False}
    experiment = run(shop, arms=[{"name": "A"}, {"name": "B", "config": config}])
    with pytest.raises(CannotBe, match="Nothing"):
        lifecycle.unship(experiment)
    lifecycle.ship(experiment, "B")
    assert experiment.replaced == {"source": "auto", "exclude_purchased": True}
    state = PluginState.objects.get(shop=shop, plugin=PLUGIN)
    state.settings |= {"items": 9}  # what the arm never touched may change
    state.save()
    lifecycle.unship(experiment)
    state.refresh_from_db()
    kept = {name: state.settings[name] for name in ("source", "items", "exclude_purchased")}
    assert kept == {"source": "auto", "items": 9, "exclude_purchased": True}
    assert (experiment.state, experiment.shipped_arm, experiment.replaced) == ("stopped", "", {})
    lifecycle.ship(experiment, "B")
    state.refresh_from_db()
    state.settings |= {"source": "auto"}
    state.save()
    with pytest.raises(CannotBe, match="Changed since then: source"):
        lifecycle.unship(experiment)
    assert experiment.state == "shipped"


def test_an_arm_holds_no_secret(shop, monkeypatch):
    form = registry.plugin(PLUGIN).settings_form_class()
    monkeypatch.setitem(form.base_fields, "password", forms.CharField(widget=forms.PasswordInput))
    arms = [{"name": "A"}, {"name": "B", "config": {"password": "hunter2"}}]
    with pytest.raises(ValidationError, match="password is a secret"):
        Experiment(shop=shop, name="x", plugin=PLUGIN, arms=arms).clean()


@pytest.mark.parametrize(
    "fields, named",
    [
        ({"arms": [{"name": "A"}]}, "arms"),
        ({"arms": [{"name": "A"}, {"name": "A"}]}, "arms"),
        ({"arms": [{"name": "A"}, {"name": "holdout"}]}, "arms"),
        ({"arms": [{"name": "A"}, {"name": "B", "weight": 0}]}, "arms"),
        ({"arms": [{"name": "A"}, {"name": "B", "wight": 1}]}, "arms"),
        ({"arms": [{"name": "A"}, {"name": "B", "config": {"sauce": "x"}}]}, "arms"),
        ({"arms": [{"name": "A"}, {"name": "B", "config": {"source": "nobody"}}]}, "arms"),
        ({"plugin": "nothing"}, "arms"),
        ({"audience": {"countries": ["Germany"]}}, "audience"),
        ({"audience": {"age": 3}}, "audience"),
        ({"traffic": 0}, "traffic"),
    ],
)
def test_what_is_wrong_is_named(shop, fields, named):
    experiment = Experiment(shop=shop, **{"name": "x", "plugin": PLUGIN, "arms": ARMS, **fields})
    with pytest.raises(ValidationError) as error:
        experiment.full_clean(validate_constraints=False)
    assert set(error.value.message_dict) == {named}
