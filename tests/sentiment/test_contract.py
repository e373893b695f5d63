"""The contract, with the learner fitted on small frames."""

from commerce_ai.testing import PluginContract
from tests.sentiment import words


class TestContract(PluginContract):
    slug = "sentiment"
    frames = {"sentiment.classifier": lambda: {"texts": words.frame(120, chinese=0.5)}}
