"""The contract, over this plugin with its small frames."""

from __future__ import annotations

from commerce_ai.testing import PluginContract
from tests.fraud.frames import payments


class TestContract(PluginContract):
    slug = "fraud"
    frames = {"fraud.trees": lambda: {"transactions": payments()}}
