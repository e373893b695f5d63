"""The generated shop behind a loaded one: made again, as its truth stands in no table."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from commerce_ai.sample.generate import Sample, Size, generate
from commerce_ai.sample.load import MARK
from commerce_ai.sample.truth import Truth, truth_of
from commerce_ai.shop.models import Shop


def sample_of(shop: Shop) -> tuple[Sample, Truth]:
    """What `load_sample` put into `shop`, and what is true of it. Raises KeyError for a shop that is no sample."""
    made: dict[str, Any] = dict(shop.settings[MARK])
    seed, until = made.pop("seed"), datetime.fromisoformat(made.pop("until"))
    # It ends at a midnight of the shop's, which lies on the day before in UTC or on the day itself.
    sample = generate(seed, Size(**made), (until + timedelta(hours=12)).date())
    return sample, truth_of(sample, seed)
