"""The generated shop: the same again, consistent in itself, and with something to learn in it."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from commerce_ai.sample.generate import DEMO, TINY, Size, generate

UNTIL = date(2026, 3, 1)


@pytest.fixture(scope="module")
def sample():
    return generate(1, TINY, UNTIL)


def frames_of(sample):
    happenings = sample.happenings
    return {
        "products": sample.goods.products,
        "stock": sample.goods.stock,
        "customers": sample.people.customers,
        "identities": sample.people.identities,
        "events": happenings.events,
        "orders": happenings.orders,
        "lines": happenings.lines,
        "prices": sample.prices.changes,
        "assigned": sample.campaigns.assigned,
        "payments": sample.payments.payments,
        "chargebacks": sample.payments.chargebacks,
        "reviews": sample.talk.reviews,
        "mentions": sample.talk.mentions,
        "talks": sample.talk.talks,
    }


def test_same_seed_and_day_give_the_same_shop_and_others_another(sample):
    again, other = frames_of(generate(1, TINY, UNTIL)), frames_of(generate(2, TINY, UNTIL))
    for name, frame in frames_of(sample).items():
        assert_frame_equal(frame, again[name])
    assert not sample.happenings.events.equals(other["events"])


def test_more_customers_leave_the_products_as_they_are(sample):
    more = generate(1, Size(products=96, customers=300, days=60, visits_each=2), UNTIL)
    assert_frame_equal(more.goods.products, sample.goods.products)


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    size=st.builds(
        Size,
        products=st.integers(48, 400),
        customers=st.integers(1, 60),
        days=st.integers(1, 40),
        visits_each=st.floats(0.5, 5),
    ),
    # Any day, and those after the clocks were changed.
    until=st.one_of(
        st.dates(date(2020, 1, 1), date(2030, 1, 1)), st.sampled_from([date(2028, 3, 27), date(2027, 11, 1)])
    ),
)
def test_any_shop_is_consistent(seed, size, until):
    sample = generate(seed, size, until)
    happenings, products = sample.happenings, sample.goods.products
    assert products["external_id"].n_unique() == len(products) == size.products
    assert products["title"].n_unique() == size.products
    assert (products["price"] > products["cost"]).all() and (products["cost"] > 0).all()
    events, orders, lines = happenings.events, happenings.orders, happenings.lines
    for frame in (
        events,
        orders,
        sample.talk.reviews,
        sample.talk.mentions,
        sample.talk.talks,
        sample.payments.payments,
    ):
        if len(frame):
            assert frame["at"].max() < sample.until
            assert frame["at"].min() >= sample.until - timedelta(days=size.days, hours=1)  # summer time
    seen = events["product"].drop_nulls()
    assert sample.goods.sellable[seen.to_numpy()].all()
    assert lines["order"].n_unique() == len(orders) == orders["external_id"].n_unique()
    goods = lines.group_by("order").agg((pl.col("quantity") * pl.col("unit_price")).sum().alias("goods")).sort("order")
    assert np.allclose(goods["goods"] + orders["shipping"], orders["total"])
    completed = events.filter(pl.col("name") == "Order Completed")
    assert sorted(completed["order"].to_list()) == list(range(len(orders)))


def test_too_small_a_shop_is_refused():
    with pytest.raises(ValueError, match="at least 48 products"):
        generate(1, Size(products=10), UNTIL)
    with pytest.raises(ValueError, match="needs customers"):
        Size(customers=0)


def test_visitors_have_tastes_that_can_be_learned():
    rows = generate(1, DEMO, UNTIL).interactions()
    shelf = pl.col("product_id") % 12
    share = (
        rows.group_by("customer_id", shelf.alias("shelf"))
        .len()
        .group_by("customer_id")
        .agg(top=pl.col("len").max() / pl.col("len").sum(), rows=pl.col("len").sum())
        .filter(pl.col("rows") >= 10)
    )
    assert share["top"].mean() > 0.3  # a twelfth, if they had none


def test_interactions_name_only_known_visitors(sample):
    rows = sample.interactions()
    assert rows.schema["at"] == pl.Datetime("us", "UTC")
    assert set(rows["weight"].unique()) == {1.0, 3.0, 5.0}
    assert rows["customer_id"].is_between(0, 119).all()
    assert rows["at"].is_sorted() and rows["at"].max() < datetime(2026, 3, 1, tzinfo=UTC)


def test_demand_answers_prices_as_the_truth_says():
    sample = generate(3, Size(products=96, customers=3000, days=200, visits_each=20), UNTIL)
    prices, events = sample.prices, sample.happenings.events
    views = events.filter(pl.col("name") == "Product Viewed")
    carts = events.filter(pl.col("name") == "Product Added")

    def relative(frame):
        return frame["price"].to_numpy() / sample.goods.price[frame["product"].to_numpy()] - 1

    steep = prices.elasticity < np.median(prices.elasticity)

    def carts_a_view(dear, which):
        rows = [
            int(((relative(frame) > 0) == dear)[which[frame["product"].to_numpy()]].sum()) for frame in (carts, views)
        ]
        return rows[0] / rows[1]

    assert carts_a_view(True, steep) < 0.85 * carts_a_view(False, steep)
    drop = [carts_a_view(True, which) / carts_a_view(False, which) for which in (steep, ~steep)]
    assert drop[0] < drop[1]


def test_rings_of_fraudsters_share_devices_and_banks_tell_late(sample):
    payments, chargebacks = sample.payments.payments, sample.payments.chargebacks
    rings = payments.filter(pl.col("device_id").str.starts_with("dev-ring"))
    assert rings["is_fraud"].all() and rings.group_by("device_id").len()["len"].max() >= 5
    assert (chargebacks["known_at"] > chargebacks["occurred_at"]).all()
    assert payments["is_fraud"].gather(chargebacks["payment"]).all()


def test_late_parcels_are_complained_about_in_the_last_days():
    reviews = generate(1, DEMO, UNTIL).talk.reviews
    bad = pl.col("rating") <= 2
    late = pl.col("at") > pl.lit(datetime(2026, 2, 23, tzinfo=UTC), pl.Datetime("us", "UTC"))
    share = reviews.group_by(late.alias("late")).agg(bad.mean().alias("bad")).sort("late")["bad"]
    assert share[1] > 2 * share[0] > 0
    assert set(reviews["language"].unique()) == {"en", "zh"}


def test_the_letter_brings_back_those_it_should():
    sample = generate(2, DEMO, UNTIL)
    campaigns, orders = sample.campaigns, sample.happenings.orders
    after = orders.filter(pl.col("at").is_between(campaigns.sent_at, campaigns.sent_at + timedelta(days=14)))
    bought = np.isin(np.arange(DEMO.customers), after["customer"].drop_nulls().to_numpy())
    treated, drawn = campaigns.assigned["treated"].to_numpy(), campaigns.uplift > 1
    assert bought[treated & drawn].mean() > bought[~treated & drawn].mean() + 0.03
    others = bought[treated & ~drawn].mean() - bought[~treated & ~drawn].mean()
    assert abs(others) < 0.06


@pytest.mark.parametrize("day", [0, 1, 30])
def test_a_younger_shop_is_the_beginning_of_an_older_one(sample, day):
    young = generate(1, replace(TINY, day=day), UNTIL - timedelta(days=TINY.days - day))
    now = young.until
    assert young.happenings.events.filter(pl.col("at") >= now).is_empty()
    assert_frame_equal(young.happenings.events, sample.happenings.events.filter(pl.col("at") < now))
    assert_frame_equal(young.happenings.orders, sample.happenings.orders.filter(pl.col("at") < now))
    assert_frame_equal(young.payments.payments, sample.payments.payments.filter(pl.col("at") < now))
    assert_frame_equal(young.goods.products, sample.goods.products)
    assert (young.happenings.lines["order"] < len(young.happenings.orders)).all()


def test_a_shop_stands_on_one_of_its_days():
    with pytest.raises(ValueError, match="the day is one of 0 to 60, not 61"):
        replace(TINY, day=61)


def test_people_are_tied_to_those_of_like_taste_and_lean_by_age_and_gender():
    people = generate(3, Size(products=48, customers=4000, days=2, visits_each=0.1), UNTIL).people
    ties = people.ties
    assert ties.filter(pl.col("customer") == pl.col("other")).is_empty()
    assert set(ties["kind"].unique()) == {"follow", "referral", "gift"}
    favourite = people.taste.argmax(axis=1)
    alike = (favourite[ties["customer"]] == favourite[ties["other"]]).mean()
    by_chance = (np.bincount(favourite) / len(favourite)) @ (np.bincount(favourite) / len(favourite))
    assert alike > 4 * by_chance
    women = people.customers["gender"].to_numpy() == "female"
    lean = np.log(people.taste[women]).mean(axis=0) - np.log(people.taste[~women]).mean(axis=0)
    # Without a leaning the spread over shelves would be that of the noise alone.
    noise = np.log(people.taste).std(axis=0).mean() * np.sqrt(1 / women.sum() + 1 / (~women).sum())
    assert lean.std() > 2 * noise


def test_better_goods_are_looked_at_longer(sample):
    views = sample.happenings.events.filter(pl.col("name") == "Product Viewed")
    good = sample.goods.quality[views["product"].to_numpy()] > 0
    dwell = np.log(views["dwell_s"].to_numpy())
    assert dwell[good].mean() > dwell[~good].mean() + 0.2
    assert views["dwell_s"].is_between(2, 600).all()


def test_every_product_has_a_picture_that_the_shop_draws(sample, client):
    for url in sample.goods.products["image_url"].unique().to_list()[:40]:
        answer = client.get(url)
        assert answer.status_code == 200 and answer["Content-Type"] == "image/svg+xml"
        assert answer.content.startswith(b"<svg ") and b"script" not in answer.content
    assert client.get("/sample/pictures/cup-navy-rococo.svg").status_code == 404
    assert client.get("/sample/pictures/x.svg").status_code == 404


def test_as_many_of_the_pasts_visitors_order_as_in_real_shops():
    happenings = generate(1, DEMO, UNTIL).happenings
    visitors = happenings.events.with_columns(pl.col("at").dt.date()).select("at", "anonymous_id").n_unique()
    assert 0.02 <= len(happenings.orders) / visitors <= 0.04
    steps = [
        set(happenings.events.filter(pl.col("name") == name)["visit"])
        for name in ("Product Viewed", "Product Added", "Checkout Started", "Order Completed")
    ]
    assert steps[0] > steps[1] > steps[2] > steps[3], "a funnel, each step fewer of those of the step before"
