"""Learners on files, with no database: what a data scientist tries first.

    from commerce_ai.lab import fit, predict

    fit("recommendation.collaborative", {"interactions": "train.parquet"}, artifact="out/")
    predict("out/", {"customers": "test.parquet"})

Nothing is started and nothing is written outside the artifact folder. Whatever is wrong with files, names or
parameters is one `LabError`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

import polars as pl

from commerce_ai import __version__
from commerce_ai.encoders.exporting import NoEncoder
from commerce_ai.learning import bootstrap
from commerce_ai.learning.files import Source, fingerprint, read_frames, write_frame
from commerce_ai.learning.folders import FolderError, fresh, move_in, working
from commerce_ai.learning.learner import Evaluation, Frames, Learner, NotEnoughData
from commerce_ai.learning.lines import LineReport
from commerce_ai.learning.params import ParamError, describe_params, params_json, read_params
from commerce_ai.learning.recipe import sow
from commerce_ai.learning.schema import FrameError

SCHEMA_VERSION = 1
ABOUT = "learner.json"

Say = Callable[[str], None]


class LabError(ValueError):
    """What was asked can't be done; the message says why, and names file, column, row or parameter."""


@dataclass(frozen=True)
class Fit:
    """What a fit reached on held-out rows, beside its baseline, before it learned from all rows."""

    learner: str
    folder: Path
    params: dict[str, Any]
    metrics: dict[str, float | None]
    baseline: dict[str, float | None]
    notes: tuple[str, ...]
    seconds: float


def fit(
    learner: str,
    inputs: Mapping[str, Source],
    *,
    artifact: Path | str,
    params: Mapping[str, Any] | None = None,
    mapping: Mapping[str, str] | None = None,
    say: Say = lambda line: None,
) -> Fit:
    """Split, fit, judge on the held-out rows, then fit on all rows and write the artifact folder.

    `inputs` are frames or files by name; `mapping` says how they call our columns (ours -> theirs). A killed fit
    goes on where it was when it is called again with the same data and parameters.
    """
    found = _learner(learner)
    with _plainly():
        chosen = read_params(found.params, params or {})
        frames = read_frames(found.inputs, inputs, mapping or {})
        folder = Path(artifact)
        with working(folder, _key(found, chosen, frames), whole=ABOUT) as work:
            return _fit(found, chosen, frames, folder, work, say)


def predict(
    artifact: Path | str,
    requests: Mapping[str, Source],
    *,
    mapping: Mapping[str, str] | None = None,
    output: Path | str | None = None,
) -> pl.DataFrame:
    """Answer the request frames; written to `output` (CSV by its name, else Parquet) if given.

    A learner without request frames is asked for nothing, and says all that it learned.
    """
    found, scorer, _ = _open(artifact)
    with _plainly():
        asked = read_frames(found.requests, requests, mapping or {})
        answer = found.output.check(found.predict(scorer, **asked), found.name)
        if output is not None:
            write_frame(answer, Path(output))
    return answer


def evaluate(
    artifact: Path | str, inputs: Mapping[str, Source], *, mapping: Mapping[str, str] | None = None
) -> Evaluation:
    """The artifact on later rows than it learned from, beside its baseline."""
    found, scorer, _ = _open(artifact)
    with _plainly():
        return found.evaluate(scorer, read_frames(found.inputs, inputs, mapping or {}))


def compare(
    artifact: Path | str,
    other: Path | str,
    inputs: Mapping[str, Source],
    *,
    mapping: Mapping[str, str] | None = None,
) -> bootstrap.Comparison:
    """Two artifacts of one slot on the same later rows, by the first one's metric and a paired bootstrap."""
    (first, first_scorer, _), (second, second_scorer, _) = _open(artifact), _open(other)
    if (first.slot, first.metric.name) != (second.slot, second.metric.name):
        raise LabError(
            f"{first.name} ({first.slot}, {first.metric.name}) and {second.name} ({second.slot}, "
            f"{second.metric.name}) are not judged by the same figure"
        )
    with _plainly():
        ours = first.evaluate(first_scorer, read_frames(first.inputs, inputs, mapping or {}))
        theirs = second.evaluate(second_scorer, read_frames(second.inputs, inputs, mapping or {}))
        return bootstrap.compare(ours.sample, theirs.sample, first.metric)


def explain(artifact: Path | str) -> pl.DataFrame | None:
    """What the artifact goes by: features and weights; None where that can't be said."""
    found, scorer, _ = _open(artifact)
    return found.explain(scorer)


def schema(learner: str) -> str:
    """The learner's frames and parameters, in words."""
    found = _learner(learner)
    lines = [f"{found.name} fills {found.slot}, judged by {found.metric.name} beside {found.metric.baseline}."]
    for title, frames in (
        ("learns from", found.inputs),
        ("answers for", found.requests),
        ("gives", {"": found.output}),
    ):
        for name, frame in frames.items():
            lines += ["", f"{title} {name}{' (optional)' if frame.optional else ''}".rstrip(), *frame.describe()]
    lines += ["", "parameters"]
    for each in describe_params(found.params):
        lines.append(f"  {each.name} = {json.dumps(each.default)}: {each.kind}. {each.doc}".rstrip())
    return "\n".join(lines)


def about(artifact: Path | str) -> dict[str, Any]:
    """What `learner.json` says: learner, chosen params, metrics, versions, data fingerprint."""
    path = Path(artifact) / ABOUT
    try:
        read = json.loads(path.read_text())
        if read["schema_version"] > SCHEMA_VERSION:
            raise LabError(f"{path}: made by a newer version ({read['product_version']}) than this ({__version__})")
        return read
    except (OSError, ValueError, KeyError, TypeError) as error:
        if isinstance(error, LabError):
            raise
        raise LabError(f"{artifact}: this is not an artifact folder ({ABOUT} is missing or damaged)") from None


# --- fitting ----------------------------------------------------------------------------------------------


def _fit(found: Learner, params: Any, frames: Frames, folder: Path, work: Path, say: Say) -> Fit:
    started = monotonic()
    judged = _judged(found, params, frames, work, say)
    score, beside = (float(judged[side][found.metric.name] or "nan") for side in ("metrics", "baseline"))
    held_out = f"{found.metric.name} {score:.4f}, {found.metric.baseline} {beside:.4f}"
    say("\n  ".join([f"held out: {held_out}, {judged['seconds']:.1f} s", *judged["notes"]]))
    say("fitting on all rows")
    params = read_params(found.params, judged["params"])
    sow(getattr(params, "seed", 0))
    fitted = found.fit(frames, params, LineReport(say, work / "all"))
    new = fresh(work / "new")
    found.save(fitted, new)
    about = {
        **judged,
        "learner": found.name,
        "params": params_json(fitted.params),
        "seconds": round(monotonic() - started, 3),
        "schema_version": SCHEMA_VERSION,
        "product_version": __version__,
        "data_fingerprint": fingerprint(frames),
        "rows": {name: frame.height for name, frame in frames.items()},
    }
    (new / ABOUT).write_text(json.dumps(about, indent=1, sort_keys=True))
    move_in(new, folder, last=ABOUT)
    return Fit(
        found.name, folder, about["params"], judged["metrics"], judged["baseline"], tuple(judged["notes"]),
        about["seconds"],
    )  # fmt: skip


def _judged(found: Learner, params: Any, frames: Frames, work: Path, say: Say) -> dict[str, Any]:
    """The figures on held-out rows and the params with every choice made; once, across restarts."""
    kept = work / "judged.json"
    if kept.exists():
        say("taking up a fit that was stopped")
        return json.loads(kept.read_text())
    started = monotonic()
    split = found.split(frames)
    sow(getattr(params, "seed", 0))
    fitted = found.fit(split.train, params, LineReport(say, work / "held-out"), validation=split.validation)
    holdout = fresh(work / "holdout")
    found.save(fitted, holdout)
    result = found.evaluate(found.load(holdout), split.test)
    judged = {
        "params": params_json(fitted.params),
        "metrics": _finite(result.metrics),
        "baseline": _finite(result.baseline),
        "notes": list(result.notes),
        "seconds": round(monotonic() - started, 3),
    }
    scratch = work / "judged.json.new"
    scratch.write_text(json.dumps(judged))
    scratch.replace(kept)
    return judged


def _finite(figures: Mapping[str, float]) -> dict[str, float | None]:
    """JSON knows no nan: what could not be computed is null."""
    return {name: float(value) if math.isfinite(value) else None for name, value in figures.items()}


def _key(found: Learner, params: Any, frames: Frames) -> str:
    return json.dumps([found.name, params_json(params), fingerprint(frames), __version__], sort_keys=True)


# --- reading ----------------------------------------------------------------------------------------------


def _learner(name: str) -> Learner:
    registry = _registry()
    try:
        return registry.learner(name)
    except registry.Unknown as error:
        raise LabError(str(error)) from None


def _registry() -> Any:
    """The registry with Django set up: in a notebook nobody did."""
    import os

    import django
    from django.apps import apps

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "commerce_ai.settings")
    if not apps.ready:
        django.setup()
    from commerce_ai import registry

    return registry


def _open(artifact: Path | str) -> tuple[Learner, Any, dict[str, Any]]:
    said = about(artifact)
    found = _learner(said["learner"])
    try:
        return found, found.load(Path(artifact)), said
    except (OSError, ValueError, KeyError) as error:
        raise LabError(f"{artifact}: the artifact is damaged ({error})") from None


@contextmanager
def _plainly() -> Iterator[None]:
    """What the person who asked can put right, as one `LabError`."""
    try:
        yield
    except (FrameError, ParamError, FolderError, NotEnoughData, NoEncoder) as error:
        raise LabError(str(error)) from None
    except OSError as error:
        raise LabError(f"{error.filename or 'file'}: {error.strerror or error}") from None
