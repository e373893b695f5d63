"""What a plugin may say and do is documented: whoever adds a hook without a word about it is told here."""

from __future__ import annotations

import inspect
from pathlib import Path

from django.apps import AppConfig

from commerce_ai.learning.learner import Learner
from commerce_ai.plugin import Page, Plugin, Schedule, Slot

TEXT = (Path(__file__).resolve().parent.parent.parent / "docs" / "writing-a-plugin.md").read_text()
INTERNAL = {"core_fits", "settings_form_class", "urlpatterns", "default"}


def test_every_hook_of_a_plugin_is_documented():
    hooks = {name for name in vars(Plugin) if not name.startswith("_")} | set(inspect.get_annotations(Plugin))
    hooks -= INTERNAL | set(vars(AppConfig))
    assert {name for name in hooks if f"`{name}`" not in TEXT and name not in TEXT} == set()
    for struct in (Slot, Schedule, Page):
        assert struct.__name__ in TEXT


def test_every_method_of_a_learner_is_documented():
    methods = {name for name, each in vars(Learner).items() if callable(each) and not name.startswith("_")}
    assert {name for name in methods | {"metric", "inputs", "requests", "output"} if name not in TEXT} == set()
