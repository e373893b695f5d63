"""What an operator does in a day, in a real browser, desktop and phone: sign in, train, approve and undo, stop."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.urls import reverse
from django.utils import timezone

from commerce_ai import registry
from commerce_ai.decisions.experiments.models import Experiment, ExperimentPoint
from commerce_ai.learning import trainer
from commerce_ai.learning.models import Run, Version
from commerce_ai.shop.models import Order, OrderLine, Product
from commerce_ai.shop.revision import refresher
from plugins.pricing.models import PriceProposal
from tests.browsing import IN_A_BROWSER
from tests.factories import CustomerFactory, ProductFactory
from tests.plugin_factories import PriceProposalFactory

pytestmark = [*IN_A_BROWSER, pytest.mark.process, pytest.mark.xdist_group("process")]


def test_who_signs_in_sees_how_the_shop_is(signed_in):
    page = signed_in.page
    signed_in.settle("signed-in")
    orders = page.locator(".c-tile", has_text="Orders").first
    revenue = page.locator(".c-tile", has_text="Revenue").first
    assert float(orders.locator(".c-tile-value").inner_text().replace(",", "")) > 100
    assert revenue.locator(".c-tile-value").inner_text().startswith("€")
    assert page.get_by_role("heading", name="What needs you").is_visible()


@pytest.fixture
def bought(garden):
    """Forty customers who bought four of fifteen products each: enough for the bestsellers to be learned."""
    Version.objects.of(garden).delete()
    goods = [ProductFactory(shop=garden, title=f"Flower pot no. {n}") for n in range(15)]
    now = timezone.now()
    for n in range(40):
        customer = CustomerFactory(shop=garden)
        for turn in range(4):
            order = Order.objects.create(
                shop=garden, external_id=f"o{n}-{turn}", customer=customer, currency="EUR", total=10, status="paid",
                placed_at=now - timedelta(days=1 + turn * 7 + n % 5),
            )  # fmt: skip
            OrderLine.objects.create(
                shop=garden, order=order, position=1, product=goods[(n * n + turn) % 15], quantity=1, unit_price=10
            )
    return garden


@pytest.fixture
def trains(settings):
    """A trainer as the worker has one: it takes what is queued, in a process of its own each."""
    threads = []

    def work():
        try:
            trainer.work()
        finally:
            connection.close()

    def start():
        threads.append(threading.Thread(target=work))
        threads[-1].start()

    trainer.stopping.clear()
    yield start
    trainer.stopping.set()
    for each in threads:
        each.join()
    trainer.stopping.clear()


def test_a_training_runs_to_its_end_while_one_watches(signed_in, bought, trains):
    page = signed_in.page
    signed_in.open(reverse("admin:learning_run_add"))
    page.get_by_role("link", name="recommendation.popularity").click()
    page.get_by_role("button", name="Start").click()
    page.wait_for_url("**/learning/run/*/change/")
    assert page.get_by_role("status").inner_text().startswith("queued")
    trains()
    page.locator(".c-badge.c-state-succeeded").first.wait_for()
    signed_in.settle("trained")
    run = Run.objects.of(bought).get(requested_by__username="owner")
    version = Version.objects.of(bought).get(run=run)
    assert (run.state, version.state) == ("succeeded", "live")
    page.get_by_role("link", name=str(version)).click()
    signed_in.settle("trained-version")
    assert page.get_by_role("heading", name="On held-out data").is_visible()


def test_an_experiment_is_stopped_and_stays_stopped(signed_in, garden):
    experiment = running_experiment(garden)
    page = signed_in.page
    asked = []
    page.on("dialog", lambda dialog: (asked.append(dialog.message), dialog.accept()))
    signed_in.open(reverse("console:experiments"), "experiments")
    page.get_by_role("link", name="Home page").click()
    signed_in.settle("experiment")
    page.get_by_role("button", name="Stop").click()
    page.get_by_role("button", name="Stop").wait_for(state="detached")
    assert asked and "can't be taken back" in asked[0]
    signed_in.settle("experiment-stopped")
    signed_in.open(reverse("console:experiments"))
    assert page.get_by_role("row", name="Home page").get_by_text("stopped").is_visible()
    experiment.refresh_from_db()
    assert experiment.state == "stopped"


def running_experiment(shop):
    now = timezone.now()
    arms = [{"name": "A", "config": {"source": "bestsellers"}}, {"name": "B", "config": {"source": "auto"}}]
    made = Experiment.objects.create(
        shop=shop, plugin="recommendation", name="Home page", arms=arms, state="running", placement="home",
        starts_at=now - timedelta(days=20),
    )  # fmt: skip
    for back in range(20):
        wide = 0.6 / (20 - back) ** 0.5
        for arm, value, lift in (
            ("A", 0.032, {}),
            ("B", 0.039, {"lift": 0.22, "low": 0.22 - wide, "high": 0.22 + wide}),
        ):
            ExperimentPoint.objects.create(
                shop=shop, experiment=made, day=(now - timedelta(days=back)).date(), arm=arm,
                units=(20 - back) * 500, value=value, variance=0.03, **lift,
            )  # fmt: skip
    return made


def test_what_is_approved_on_the_first_page_is_undone_there(signed_in, garden):
    registry.switch(garden, "pricing", on=True)
    refresher.poll()
    for product in Product.objects.of(garden):
        Product.objects.of(garden).filter(pk=product.pk).update(price=10, cost=5, category="Garden")
        product.refresh_from_db()
        PriceProposalFactory(shop=garden, product=product, expected_gain=8, gain_low=3)

    def states():
        return set(PriceProposal.objects.of(garden).values_list("state", "product__price"))

    page = signed_in.page
    signed_in.open(reverse("admin:index"), "needs")
    page.get_by_role("button", name="Approve all: 5 price cuts in Garden").click()
    page.get_by_text("5 proposals were approved.").wait_for()
    signed_in.settle("approved")
    assert {state for state, _price in states()} == {"approved"}
    assert {float(price) for _state, price in states()} == {9.5}
    page.get_by_role("button", name="Undo: 5 prices").click()
    page.get_by_text("5 proposals were undone.").wait_for()
    signed_in.settle()
    assert {float(price) for _state, price in states()} == {10.0}
