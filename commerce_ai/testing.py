"""Checks that every plugin passes, ours or a third party's.

In a plugin's own tests::

    from commerce_ai.testing import PluginContract

    class TestContract(PluginContract):
        slug = "acme"
        frames = {"acme.learner": make_frames}   # small frames that the learner can be fitted on

pytest then runs what stands here over it. Nothing here is imported by the product.
"""

from __future__ import annotations

import ast
import dataclasses
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest
from django.apps import apps
from django.urls import resolve
from django.utils.module_loading import import_string

from commerce_ai import registry
from commerce_ai.api.errors import unknown_route
from commerce_ai.api.hot_schema import views
from commerce_ai.learning.learner import Frames, Learner, Silent
from commerce_ai.learning.params import describe_params
from commerce_ai.plugin import Card, Health, Plugin
from commerce_ai.privacy import register
from commerce_ai.shop.revision import refresher

# DESIGN's rooms of a plugin; a file of the mathematics may have any other name but imports no Django.
WITH_DJANGO = {
    "__init__", "apps", "models", "queries", "learner", "service", "api", "admin", "forms", "tasks", "benchmarks",
    "publishing", "words", "automatic", "person", "shadow",
}  # fmt: skip
ARTIFACT_SUFFIXES = {".safetensors", ".ubj", ".onnx", ".npy", ".json"}
FORBIDDEN_WHEN_SERVING = ("torch", "transformers")
PERSON = {"customer_id", "customer_token", "anonymous_id"}
FORBIDDEN_EVER = {"pickle", "cPickle", "joblib", "dill", "cloudpickle"}


class PluginContract:
    """Inherit, set `slug`; with `frames` the learners are fitted too."""

    slug: ClassVar[str]
    frames: ClassVar[Mapping[str, Callable[[], Frames]]] = {}
    # Of a plugin that `draws`: kind of decision -> how somebody asks for one (method, path below /api/v1/, fields).
    asks: ClassVar[Mapping[str, Callable[[str], tuple[str, str, dict[str, Any]]]]] = {}

    @staticmethod
    def furnish(shop: Any) -> None:
        """What a shop must have before `asks` can be answered."""

    @pytest.fixture
    def plugin(self) -> Plugin:
        return registry.plugin(self.slug)

    @pytest.fixture
    def folder(self, plugin: Plugin) -> Path:
        return Path(plugin.path)

    # --- the table of contents ---

    def test_says_what_it_is(self, plugin: Plugin) -> None:
        assert plugin.label == plugin.slug
        assert plugin.version and str(plugin.summary) and str(plugin.verbose_name) and plugin.icon
        assert str(plugin.fallback), "a plugin says what answers while it is off or has no live version"
        assert plugin.core_fits()

    def test_every_slot_and_learner_fit_each_other(self, plugin: Plugin) -> None:
        for slot in plugin.slots:
            assert slot.name.startswith(plugin.slug + ".") and slot.output
            for learner in registry.learners(slot.name).values():
                for frame, columns in slot.inputs.items():
                    assert set(columns) <= set(learner.inputs[frame].columns), (learner.name, frame)
                for frame, columns in slot.requests.items():
                    assert set(columns) <= set(learner.requests[frame].columns), (learner.name, frame)
                assert set(slot.output) <= set(learner.output.columns), learner.name
        assert all(any(learner.slot == slot.name for slot in plugin.slots) for learner in self._learners(plugin))

    def test_hyper_parameters_are_documented_frozen_and_have_defaults(self, plugin: Plugin) -> None:
        for learner in self._learners(plugin):
            assert dataclasses.is_dataclass(learner.params)
            assert learner.params.__dataclass_params__.frozen, learner.name  # type: ignore[attr-defined]
            learner.params()
            for each in describe_params(learner.params):
                assert each.doc or f"`{each.name}`" in (learner.params.__doc__ or ""), (
                    f"{learner.name}: the hyper-parameter {each.name} is not documented"
                )

    def test_the_readme_names_every_learner_frame_and_column(self, plugin: Plugin, folder: Path) -> None:
        text = (folder / "README.md").read_text()
        for learner in self._learners(plugin):
            assert learner.name in text
            for kind in (learner.inputs, learner.requests):
                for frame, schema in kind.items():
                    assert frame in text, f"{learner.name}: the README lacks the frame {frame}"
                    for column in schema.columns:
                        assert column in text, f"{learner.name}: the README lacks the column {column} of {frame}"

    # --- the source ---

    def test_the_mathematics_imports_no_django(self, folder: Path) -> None:
        for file in self._sources(folder):
            if file.stem not in WITH_DJANGO and file.parent == folder:
                assert not {name for name in _imports(file) if name.split(".")[0] == "django"}, file.name

    def test_no_pickle_and_no_other_plugin(self, plugin: Plugin, folder: Path) -> None:
        others = {each.name for each in registry.plugins()} - {plugin.name}
        for file in self._sources(folder):
            names = _imports(file)
            assert not names & FORBIDDEN_EVER, file
            assert not {name for name in names for other in others if name == other or name.startswith(other + ".")}

    def test_what_serves_never_imports_torch(self, plugin: Plugin) -> None:
        modules = [plugin.name + ".apps"] + [
            f"{plugin.name}.{room}" for room in ("learner", "service", "api", "admin", "queries")
        ]  # fmt: skip
        code = (
            "import importlib, importlib.util, sys, django; django.setup()\n"
            f"for name in {modules!r}:\n"
            "    if importlib.util.find_spec(name): importlib.import_module(name)\n"
            f"found = [name for name in {FORBIDDEN_WHEN_SERVING!r} if name in sys.modules]\n"
            "sys.exit(' '.join(found) or 0)"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    # --- in a shop ---

    @pytest.fixture
    def shop(self, db: None) -> Any:
        from commerce_ai.shop.models import Shop

        return Shop.objects.create(slug="contract", name="Contract", currency="EUR", timezone="Europe/Berlin")

    def test_off_until_switched_on_and_settings_keep_their_types(self, plugin: Plugin, shop: Any) -> None:
        assert not registry.is_on(shop.pk, plugin.slug)
        registry.switch(shop, plugin.slug, on=True)
        refresher.poll()
        assert registry.is_on(shop.pk, plugin.slug)
        form_class = plugin.settings_form_class()
        if form_class is None:
            return
        defaults = {name: each.initial for name, each in form_class.base_fields.items()}
        form = form_class(
            data={name: value for name, value in defaults.items() if value is not None and value is not False}
        )
        assert form.is_valid(), f"the settings form refuses its own defaults: {form.errors}"
        registry.save_settings(shop, plugin.slug, form.cleaned_data)
        refresher.poll()
        settings = registry.settings_for(shop.pk, plugin.slug)
        assert dataclasses.asdict(settings) == form.cleaned_data
        assert dataclasses.asdict(registry.default_settings(plugin.slug)).keys() == form.cleaned_data.keys()

    def test_schedules_are_made_once_and_then_the_operators(self, plugin: Plugin, shop: Any) -> None:
        from commerce_ai.models import ScheduleState

        registry.switch(shop, plugin.slug, on=True)
        states = {each.name: each for each in ScheduleState.objects.filter(shop=shop, plugin=plugin.slug)}
        assert states.keys() == {each.name for each in plugin.schedules}
        for schedule in plugin.schedules:
            assert callable(import_string(schedule.job)), schedule.job
            task = states[schedule.name].periodic_task
            task.description = "changed by the operator"
            task.save()
        registry.switch(shop, plugin.slug, on=False)
        registry.switch(shop, plugin.slug, on=True)
        for state in ScheduleState.objects.filter(shop=shop, plugin=plugin.slug):
            assert state.periodic_task.description == "changed by the operator" and state.periodic_task.enabled

    def test_an_empty_shop_has_cards_health_and_skipped_runs(self, plugin: Plugin, shop: Any, rf: Any) -> None:
        request = rf.get("/console/")
        assert all(isinstance(each, Card) for each in plugin.cards(request, shop))
        assert all(isinstance(each, Health) for each in plugin.health(shop))
        for learner in self._learners(plugin):
            from django.utils import timezone

            from commerce_ai.learning.learner import NotEnoughData, Window

            with pytest.raises(NotEnoughData) as caught:
                learner.frames(shop, Window(None, timezone.now()))
            assert any(letter.isdigit() for letter in str(caught.value)), (
                "it says how much is there and how much is needed"
            )

    def test_routes_answer_404_where_the_plugin_is_off(self, plugin: Plugin, shop: Any, client: Any) -> None:
        from commerce_ai.api import urls
        from commerce_ai.api.keys import create_key
        from commerce_ai.api.scopes import SCOPES

        sent = {"authorization": f"Bearer {create_key(shop, 'contract', 'secret', SCOPES)[1]}"}
        of_core = {path for path, _view in views(urls.urlpatterns, "api/v1/")}
        for path, view in views(plugin.urlpatterns(), "api/v1/"):
            methods = view.hot.methods if hasattr(view, "hot") else view.cls.scopes
            for method in methods:
                answer = client.generic(method, address_of_nothing(path), "{}", "application/json", headers=sent)
                if path in of_core:  # the core's own route answers as if there were no plugin
                    assert answer.status_code != 404, (method, path)
                    continue
                assert answer.status_code == 404, (method, path, answer.status_code)
                assert method == "HEAD" or answer.json()["code"] == "plugin_off", (method, path, answer.content)

    def test_pages_open_for_the_owner_of_an_empty_shop_and_nobody_else(
        self, plugin: Plugin, shop: Any, client: Any, django_user_model: Any
    ) -> None:
        from commerce_ai.shop.models import ShopMember

        registry.switch(shop, plugin.slug, on=True)
        owner = django_user_model.objects.create_user("owner", password=None, is_staff=True)
        ShopMember.objects.create(shop=shop, user=owner, role="owner")
        for page in plugin.pages:
            address = f"/console/{plugin.slug}/{page.path}"
            client.logout()
            assert client.get(address).status_code in (302, 403)
            client.force_login(owner)
            answer = client.get(address)
            assert answer.status_code == 200, (address, answer.status_code)

    # --- experiments and the holdout ---

    def test_who_answers_visitors_says_that_they_are_drawn(self, plugin: Plugin) -> None:
        routes = [view.hot for _path, view in views(plugin.urlpatterns(), "") if hasattr(view, "hot")]
        answers = [each for each in routes if _fields(each.answer) >= {"decision_id", "fallback"}]
        asked = [each for each in answers if (_fields(each.query) | _fields(each.body)) & PERSON]
        assert not asked or plugin.draws, f"{plugin.slug} answers visitors: draw them, and say so in `draws`"
        assert not (plugin.draws and plugin.undrawn)
        assert set(self.asks) == set(plugin.draws.kinds if plugin.draws else ())
        form = plugin.settings_form_class()
        if plugin.draws and plugin.draws.emergency:
            assert form and plugin.draws.emergency in form.base_fields
        if plugin.draws:
            assert set(plugin.draws.tries) <= {each.name for each in plugin.slots}
            assert not (plugin.draws.tries and plugin.draws.untried)
            assert not (plugin.draws.again and plugin.draws.unasked)
            assert not plugin.draws.again or callable(import_string(f"{plugin.name}.{plugin.draws.again}"))

    def test_who_is_held_out_gets_the_fallback_and_the_decision_says_so(
        self, plugin: Plugin, shop: Any, client: Any, monkeypatch: Any
    ) -> None:
        from commerce_ai.decisions.experiments import lifecycle
        from commerce_ai.decisions.models import Decision

        asked_for: list[Any] = []
        if plugin.draws:

            def live(*slot: Any, **more: Any) -> list[Any]:
                asked_for.append(slot)
                return []

            monkeypatch.setattr(f"{plugin.name}.service.live", live, raising=False)
            monkeypatch.setattr("commerce_ai.decisions.experiments.drawing.answering", live)
        holdout = lifecycle.set_holdout(shop, 0.5)
        assert holdout is not None
        ask = asker(self, plugin, shop, client)
        for kind in self.asks:
            met = set()
            for number in range(60):
                asked_for.clear()
                answer = ask(kind, f"person-{number}")
                kept = Decision.objects.of(shop).get(pk=answer["decision_id"])
                is_out = kept.experiment_id == holdout.pk
                assert (kept.plugin, kept.kind, kept.arm == "holdout") == (plugin.slug, kind, is_out)
                assert kept.anonymous_id or kept.customer_id, "a decision that is counted says of whom"
                assert answer["fallback_reason"].startswith("Held out") == is_out
                assert not is_out or (answer["fallback"] and answer["version"] is None and not asked_for)
                tries = plugin.draws.tries if plugin.draws else ()
                assert is_out or not tries or asked_for, "versions can be tried: answer by `drawn.versions(slot)`"
                met.add(is_out)
                if len(met) == 2:
                    break
            assert met == {True, False}

    # --- learners on small frames ---

    def test_artifacts_hold_no_pickle_and_answer_the_same_after_loading(self, plugin: Plugin, tmp_path: Path) -> None:
        for learner in self._learners(plugin):
            if learner.name not in self.frames:
                continue
            split = learner.split(self.frames[learner.name]())
            fitted = learner.fit(split.train, learner.params(), Silent(), validation=split.validation)
            folder = tmp_path / learner.name
            folder.mkdir()
            learner.save(fitted, folder)
            assert {file.suffix for file in folder.rglob("*") if file.is_file()} <= ARTIFACT_SUFFIXES
            evaluation = learner.evaluate(learner.load(folder), split.test)
            again = learner.evaluate(learner.load(folder), split.test)
            assert evaluation.sample.equals(again.sample)
            assert learner.metric.name in evaluation.metrics and learner.metric.name in evaluation.baseline
            assert evaluation.sample["unit"].to_list() == evaluation.baseline_sample["unit"].to_list()

    def _learners(self, plugin: Plugin) -> list[Learner]:
        """The plugin's own: third parties' learners answer for themselves."""
        return [
            each for each in registry.learners_of(plugin.slug).values() if type(each).__module__.startswith(plugin.name)
        ]

    def _sources(self, folder: Path) -> Iterator[Path]:
        return (file for file in folder.rglob("*.py") if "migrations" not in file.parts)

    def test_forgetting_somebody_unknown_does_no_harm(self, plugin: Plugin, shop: Any) -> None:
        for customer_id in (None, 2**53):
            plugin.forget(shop.pk, customer_id=customer_id, external_id="nobody", anonymous_ids=("stranger",))

    def test_models_declare_what_is_personal(self, plugin: Plugin) -> None:
        for model in apps.get_app_config(plugin.label).get_models():
            assert isinstance(getattr(model, "personal", {}), Mapping)
            assert not register.undeclared_of(model), f"{model}: declare them in `personal` or in `not_personal`"
            assert all(entry.basis and entry.retention for entry in register.entries_of(model))
            assert hasattr(model._default_manager, "of") or not any(f.name == "shop" for f in model._meta.fields), model


def asker(contract: Any, plugin: Plugin, shop: Any, client: Any) -> Callable[..., dict[str, Any]]:
    """``ask(kind, who, **more)`` by HTTP with a secret key, as `asks` of the contract says; a customer of that id is
    there."""
    from commerce_ai.api.keys import create_key
    from commerce_ai.api.scopes import SCOPES
    from commerce_ai.shop.models import Customer

    registry.switch(shop, plugin.slug, on=True)
    contract.furnish(shop)
    sent = {"authorization": f"Bearer {create_key(shop, plugin.slug, 'secret', SCOPES)[1]}"}
    refresher.poll()

    def ask(kind: str, who: str, **more: Any) -> dict[str, Any]:
        Customer.objects.get_or_create(shop=shop, external_id=who)
        method, path, fields = contract.asks[kind](who)
        fields = {name: value for name, value in {**fields, **more}.items() if value is not None}
        if method == "GET":
            answer = client.get(f"/api/v1/{path}", fields, headers=sent)
        else:
            answer = client.generic(method, f"/api/v1/{path}", json.dumps(fields), "application/json", headers=sent)
        assert answer.status_code == 200, (path, answer.content)
        return answer.json()

    return ask


def _fields(struct: Any) -> set[str]:
    return set(getattr(struct, "__struct_fields__", ()))


def address_of_nothing(path: str) -> str:
    """A route's path as OpenAPI writes it, filled with an id that nothing has, of the kind that the route takes."""
    tries = (re.sub(r"{(\w+)}", each, path) for each in ("00000000-0000-7000-8000-000000000000", str(2**53)))
    return next(each for each in tries if resolve(each).func is not unknown_route)


def _imports(file: Path) -> set[str]:
    """Absolute names of what a file imports, inside functions too."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found
