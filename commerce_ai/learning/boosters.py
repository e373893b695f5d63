"""Boosted trees (XGBoost) as artifact files: written as UBJSON, read back ready to answer on one thread of a CPU.

xgboost takes a second and some 150 MB to import, so it is imported where a tree model is saved or loaded, never before.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import xgboost

SUFFIX = ".ubj"
Floats = npt.NDArray[np.float32]


def save(booster: xgboost.Booster | xgboost.XGBModel, path: Path) -> None:
    """Write the trees to `path`, a name that ends in .ubj. A scikit-learn wrapper is saved as its booster.

    Where training stopped early, only the trees up to the best round are written: nobody who loads them can forget to.
    """
    import xgboost

    path = _checked(path)
    if isinstance(booster, xgboost.XGBModel):
        booster = booster.get_booster()
    best = booster.attr("best_iteration")
    if best is not None:
        booster = booster[: int(best) + 1]
        booster.set_attr(best_iteration=None, best_score=None)
    booster.save_model(path)


def load(path: Path) -> xgboost.Booster:
    """The trees, to be asked from many threads at once by `answer`. Raises `FileNotFoundError`, `ValueError`."""
    path = _checked(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: there is no such file")
    import xgboost

    try:
        # A web process answers many small questions at once: threads of its own would only get into its way.
        booster = xgboost.Booster({"nthread": 1}, model_file=path)
    except xgboost.core.XGBoostError as error:
        raise ValueError(f"{path}: no trees can be read from it: {str(error).splitlines()[0]}") from None
    booster.set_param({"nthread": 1, "device": "cpu"})
    return booster


def answer(booster: xgboost.Booster, rows: npt.NDArray[Any], *, margin: bool = False) -> Floats:
    """One answer a row (rows × classes for several classes): what the objective predicts, or its `margin`.

    `rows` is rows × features, floats, nan where a value is missing; nothing is copied that is float32 already.
    """
    rows = np.ascontiguousarray(rows, dtype=np.float32)
    kind = "margin" if margin else "value"
    return np.asarray(booster.inplace_predict(rows, predict_type=kind, validate_features=False), np.float32)


def contributions(booster: xgboost.Booster, rows: npt.NDArray[Any]) -> Floats:
    """What each feature adds to each row's margin (TreeSHAP), rows × (features + 1): the last column is the bias.

    The columns of a row add up to its margin (Lundberg et al. 2020, Nature Machine Intelligence 2, 56-67).
    """
    import xgboost

    matrix = xgboost.DMatrix(np.ascontiguousarray(rows, dtype=np.float32), nthread=1)
    return np.asarray(booster.predict(matrix, pred_contribs=True, validate_features=False), np.float32)


def _checked(path: Path) -> Path:
    if path.suffix != SUFFIX:
        raise ValueError(f"{path}: the name of a file of trees ends in {SUFFIX}")
    return path
