"""The contract, over this plugin with its small frames."""

from __future__ import annotations

from commerce_ai.testing import PluginContract
from tests.support.conftest import questions


class TestContract(PluginContract):
    slug = "support"
    frames = {"support.intent": lambda: {"texts": questions()}}
    asks = {"reply": lambda who: ("POST", "support/reply", {"text": "Where is my parcel?", "anonymous_id": who})}
