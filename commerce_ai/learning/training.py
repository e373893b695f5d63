"""The whole life of a model:

    frames → split → fit → save → load → evaluate → gate → refit on all → version → go live → publish

What is judged is the artifact that would answer, and a *recipe*, not a lucky fit: a live recipe that differs is
refitted on the candidate's training rows and judged on the same test rows. Only `train` knows the database; the
rest runs on frames, in the trainer, the lab's `adopt` and the benchmarks alike.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
from django.utils.translation import gettext as _

from commerce_ai import registry
from commerce_ai.learning import artifacts, explaining, gate, provenance, versions
from commerce_ai.learning.learner import Evaluation, Frames, Learner, NotEnoughData, Report, Scorer, Split, Window
from commerce_ai.learning.models import Run, Version
from commerce_ai.learning.params import ParamError, params_json
from commerce_ai.learning.recipe import Recipe, recipe_of, sow
from commerce_ai.learning.report import RunReport
from commerce_ai.learning.schema import FrameError


def train(run: Run, report: RunReport) -> Version:
    """One run, from the shop's facts to a version that is live, rejected or (raced by another) a candidate.

    Raises `NotEnoughData`, `Cancelled`, and whatever a learner raises. A run that died after its version was
    made only publishes.
    """
    if (made := run.versions.first()) is not None:
        return _published(made, report)
    recipe = recipe_of(registry.learner(run.learner), run.params, run.seed)
    window = Window(run.window_start, run.window_end or run.queued_at)
    report.at("frames", 0.0)
    frames = read_frames(recipe.learner, run.shop, window)
    note_origins(run, frames)
    with tempfile.TemporaryDirectory(prefix="training-") as scratch:
        split = recipe.learner.split(frames)
        trial = try_recipe(recipe, split, Path(scratch) / "trial", report.part("fit", 0.05, 0.40))
        row = versions.live_row(run.shop, run.slot, run.learner)
        live = incumbent(row, report)
        verdict = judge(
            trial, live, split, Path(scratch) / "live", report.part("compare", 0.45, 0.60),
            lambda learner: read_frames(learner, run.shop, window),
        )  # fmt: skip
        folder = trial.folder
        if verdict.live:
            folder = Path(scratch) / "final"
            refit(trial, frames, folder, report.part("refit", 0.60, 0.95))
        report.say(verdict.reason)
        report.at("version", 0.95, write=True)
        new = versions.NewVersion(
            run.shop, recipe, trial.evaluation, verdict.live, verdict.reason, words_of(verdict, trial), window,
            folder, explained(trial, split.test, report), judged_against=row.pk if row else None, run=run,
            by=run.requested_by,
        )  # fmt: skip
        version = versions.make(new)
    return _published(version, report)


@dataclass(frozen=True)
class Trial:
    """A recipe fitted on the training rows, saved, loaded again, and evaluated on the test rows."""

    recipe: Recipe
    fitted: Any
    scorer: Scorer
    evaluation: Evaluation
    folder: Path


@dataclass(frozen=True)
class Incumbent:
    """The live version for the gate; where it came from the lab, its files and since when it is here."""

    recipe: Recipe
    last_score: float | None
    artifact: Callable[[], Path] | None = None
    adopted_at: datetime | None = None


def try_recipe(recipe: Recipe, split: Split, folder: Path, report: Report) -> Trial:
    """Fit on train, choose on validation, and evaluate on test what comes back from the disk."""
    learner = recipe.learner
    sow(recipe.seed)
    fitted = learner.fit(split.train, recipe.params, report, validation=split.validation)
    folder.mkdir(parents=True)
    learner.save(fitted, folder)
    scorer = learner.load(folder)
    return Trial(recipe, fitted, scorer, learner.evaluate(scorer, split.test), folder)


def judge(
    trial: Trial,
    live: Incumbent | None,
    split: Split,
    folder: Path,
    report: Report,
    read: Callable[[Learner], Frames],
) -> gate.Verdict:
    """The gate's verdict: a refresh against its last score, a new recipe against the live one on the same rows."""
    metric = trial.recipe.learner.metric
    if live is None:
        return gate.judge(metric, trial.evaluation)
    if live.recipe.fingerprint == trial.recipe.fingerprint:
        return gate.judge(metric, trial.evaluation, refresh=True, last_score=live.last_score)
    try:
        theirs = evaluate_incumbent(live, trial, split, folder, report, read)
        return gate.judge(metric, trial.evaluation, live=theirs)
    except (Incomparable, NotEnoughData, ValueError) as error:
        name = live.recipe.learner.name
        said = _("It can't be compared with the live %(learner)s: %(why)s") % {"learner": name, "why": error}
        return gate.Verdict(False, said, name, 0.0, 0.0, (0.0, 0.0))


def evaluate_incumbent(
    live: Incumbent, trial: Trial, split: Split, folder: Path, report: Report, read: Callable[[Learner], Frames]
) -> Evaluation:
    """The live recipe, refitted on the candidate's training rows, on the candidate's test rows.

    What came ready-made from the lab is judged as it is, but only on rows that are later than it: older ones may
    be among those that it learned from.
    """
    learner = live.recipe.learner
    if learner.name != trial.recipe.learner.name:
        split = _split_for(learner, split, read)
    test_from = split.cuts.get("test_from")
    if live.artifact and live.adopted_at and isinstance(test_from, datetime) and test_from >= live.adopted_at:
        return learner.evaluate(learner.load(live.artifact()), split.test)
    return try_recipe(live.recipe, split, folder, report).evaluation


def refit(trial: Trial, frames: Frames, folder: Path, report: Report) -> None:
    """Fit on every row with the choices and the number of steps that validation made, and save."""
    sow(trial.recipe.seed)
    fitted = trial.recipe.learner.fit(frames, trial.fitted.params, report)
    folder.mkdir(parents=True)
    trial.recipe.learner.save(fitted, folder)


def read_frames(learner: Learner, shop: Any, window: Window) -> Frames:
    """The learner's frames, held against its own schemas."""
    frames = learner.frames(shop, window)
    for name, schema in learner.inputs.items():
        if name not in frames and not schema.optional:
            raise FrameError(_("the learner read no such frame"), source=name)
    return {
        name: learner.inputs[name].check(frame, name) if name in learner.inputs else frame
        for name, frame in frames.items()
    }


def incumbent(row: Version | None, report: RunReport | None = None) -> Incumbent | None:
    """The live version for the gate; None where nothing is live, or where what is can't be judged any more."""
    if row is None:
        return None
    try:
        # Read anew, with today's defaults: a parameter that came since then does not make a refresh a new recipe.
        recipe = recipe_of(registry.learner(row.learner), row.params, row.seed)
    except (registry.Unknown, ParamError) as error:
        if report is not None:
            report.say(
                _("%(version)s is live but can't be judged any more: %(why)s") % {"version": row, "why": error},
                "warning",
            )
        return None
    score = row.metrics.get(recipe.learner.metric.name)
    if row.origin == Version.Origin.LAB:
        recipe = replace(recipe, artifact=row.manifest)
        return Incumbent(recipe, score, lambda: artifacts.fetch(row), row.created_at)
    return Incumbent(recipe, score)


def note_origins(run: Run, frames: Frames) -> None:
    """What the run is made of, so that it can be told apart from another and be repeated."""
    run.data_fingerprint, run.code_version = provenance.of_frames(frames), provenance.of_code()
    run.device = provenance.device()
    run.save(update_fields=["data_fingerprint", "code_version", "device"])


def words_of(verdict: gate.Verdict, trial: Trial) -> dict[str, Any]:
    return {**asdict(verdict), "notes": list(trial.evaluation.notes), "chosen": params_json(trial.fitted.params)}


def explained(trial: Trial, test: Frames, report: RunReport) -> dict[str, Any]:
    """What the scorer goes by, for the version's page. A version without it is better than none."""
    try:
        found = explaining.explain(trial.recipe.learner, trial.scorer, test, trial.recipe.seed)
    except Exception as error:
        report.say(_("What it goes by can't be said: %(why)s") % {"why": error}, "warning")
        return {}
    return dict(msgspec.json.decode(msgspec.json.encode(found)))  # what is no number is null there


class Incomparable(Exception):
    """Two learners of a slot that do not hold the same rows back."""


def _split_for(learner: Learner, split: Split, read: Callable[[Learner], Frames]) -> Split:
    """The candidate's rows for another learner of the slot; its own, cut at the same place, if it reads more."""
    try:
        for frames in (split.train, split.validation, split.test):
            for name, schema in learner.inputs.items():
                if name in frames:
                    schema.check(frames[name], name)
                elif not schema.optional:
                    raise FrameError("missing", source=name)
        return split
    except FrameError:
        own = learner.split(read(learner))
    if dict(own.cuts) != dict(split.cuts):
        raise Incomparable(_("the two do not hold the same rows back"))
    return own


def _published(version: Version, report: RunReport) -> Version:
    if version.state == Version.State.LIVE and version.published_at is None:
        report.at("publish", 0.96, write=True)
        versions.publish(version)
        version.refresh_from_db()
    return version
