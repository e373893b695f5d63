"""A lab's artifact enters a shop's gate: judged on the shop's own test rows, as any candidate is."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from commerce_ai import registry
from commerce_ai.learning import artifacts, training, versions
from commerce_ai.learning.learner import Frames, Learner, Silent, Split, Window
from commerce_ai.learning.models import Version
from commerce_ai.learning.params import ParamError
from commerce_ai.learning.recipe import Recipe, recipe_of
from commerce_ai.shop.models import Shop

ABOUT = "learner.json"  # what the lab writes beside the learner's own files


class AdoptError(ValueError):
    """The folder is no artifact that this install can use; the message says why."""


def adopt(folder: Path | str, shop: Shop, by: Any = None) -> Version:
    """Judge the artifact on the shop's test rows, keep it as a version, and send it live if the gate lets it.

    It is no refresh, even of an equal recipe: it learned from other rows, so it has to win against what is live.
    Nothing is fitted on its behalf; what it learned from is not known here and not bounded in time
    (`Version.trained_until` stays empty). Raises `AdoptError`, `NotEnoughData`.
    """
    with tempfile.TemporaryDirectory(prefix="adopting-") as scratch:
        trial, split, read = _trial(Path(folder), Path(scratch) / "artifact", shop)
        learner = trial.recipe.learner
        row = versions.live_row(shop, learner.slot, learner.name)
        verdict = training.judge(trial, training.incumbent(row), split, Path(scratch) / "live", Silent(), read)
        reason = _("%(reason)s It came from the lab: rows of this shop that it has learned from would flatter it.")
        new = versions.NewVersion(
            shop, trial.recipe, trial.evaluation, verdict.live, reason % {"reason": verdict.reason},
            training.words_of(verdict, trial), None, trial.folder,
            judged_against=row.pk if row else None, origin=Version.Origin.LAB, by=by,
        )  # fmt: skip
        try:
            version = versions.make(new)
        except artifacts.ArtifactError as error:
            raise AdoptError(str(error)) from error
    if version.state == Version.State.LIVE:
        versions.publish(version)
        version.refresh_from_db()
    return version


def _trial(folder: Path, own: Path, shop: Shop) -> tuple[training.Trial, Split, Callable[[Learner], Frames]]:
    """A copy of the artifact, loaded and evaluated on the shop's test rows; and how to read other frames."""
    recipe = _recipe(folder)
    learner = recipe.learner
    shutil.copytree(folder, own, ignore=shutil.ignore_patterns(".*"))
    # Another artifact is another recipe.
    recipe = replace(recipe, artifact=artifacts.fingerprint(artifacts.measure(own)))
    try:
        scorer = learner.load(own)
    except Exception as error:  # whatever a damaged file makes a library raise
        said = {"folder": folder, "why": error}
        raise AdoptError(_("%(folder)s: the artifact is damaged (%(why)s).") % said) from error
    window = Window(None, timezone.now())
    split = learner.split(training.read_frames(learner, shop, window))
    trial = training.Trial(
        recipe, SimpleNamespace(params=recipe.params), scorer, learner.evaluate(scorer, split.test), own
    )
    return trial, split, lambda other: training.read_frames(other, shop, window)


def _recipe(folder: Path) -> Recipe:
    """Learner and parameters as the lab wrote them."""
    try:
        said = json.loads((folder / ABOUT).read_text())
        return recipe_of(registry.learner(said["learner"]), said["params"])
    except (registry.Unknown, ParamError) as error:
        raise AdoptError(str(error)) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        words = _("%(folder)s: this is not an artifact folder (%(file)s is missing or damaged).")
        raise AdoptError(words % {"folder": folder, "file": ABOUT}) from error
