"""The contract, over this plugin with its small frames."""

from __future__ import annotations

from commerce_ai.testing import PluginContract
from tests.fraud.frames import payments


class TestContract(PluginContract):
    slug = "fraud"
    frames = {"fraud.trees": lambda: {"transactions": payments()}}
    asks = {"score": lambda who: ("POST", "fraud/score", {"payment_id": who, "amount": "20.00", "customer_id": who})}
