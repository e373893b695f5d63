"""The contract, over every installed plugin; the dummy one is a third party's, installed from its own package."""

import polars as pl

from commerce_ai import registry
from commerce_ai.testing import PluginContract


def ratings() -> dict[str, pl.DataFrame]:
    rows = [(number, number % 7, float(1 + (number * number) % 5)) for number in range(200)]
    return {"ratings": pl.DataFrame(rows, schema=["rating_id", "product_id", "rating"], orient="row")}


def interactions() -> dict[str, pl.DataFrame]:
    rows = [
        (customer, (customer * 7 + step * step) % 23, 1_700_000_000 + customer * 50 + step * 86_400)
        for customer in range(60)
        for step in range(12)
    ]
    frame = pl.DataFrame(rows, schema=["customer_id", "product_id", "timestamp"], orient="row")
    return {"interactions": frame.with_columns(pl.from_epoch("timestamp").dt.replace_time_zone("UTC"))}


FRAMES = {
    "dummy.mean": ratings,
    "recommendation.popularity": interactions,
    "recommendation.collaborative": interactions,
}

for _plugin in registry.plugins():
    _name = f"Test{_plugin.slug.title().replace('_', '')}"
    globals()[_name] = type(_name, (PluginContract,), {"slug": _plugin.slug, "frames": FRAMES})


def test_the_third_party_plugin_came_through_the_same_door() -> None:
    assert "dummy" in {each.slug for each in registry.plugins()}
