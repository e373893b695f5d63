"""The contract of every plugin, over this one."""

from commerce_ai.testing import PluginContract
from tests.pricing.frames import frames


class TestContract(PluginContract):
    slug = "pricing"
    frames = {"pricing.elasticity": frames}
