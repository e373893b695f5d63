"""A recipe: a learner with its hyper-parameters and seed. What the gate judges, and what a refresh repeats."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import random
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from commerce_ai.learning.learner import Learner
from commerce_ai.learning.params import params_json, read_params


@dataclass(frozen=True)
class Recipe:
    """`params` is the learner's frozen dataclass, before any choice is made on validation."""

    learner: Learner
    params: Any
    seed: int = 0
    artifact: str = ""  # fingerprint of the files, where they came ready-made from the lab

    @property
    def fingerprint(self) -> str:
        """Equal for equal learners, parameters (defaults written out) and seeds."""
        said = [self.learner.name, params_json(self.params), self.seed, *([self.artifact] if self.artifact else [])]
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def recipe_of(learner: Learner, values: Mapping[str, Any], seed: int | None = None) -> Recipe:
    """From JSON or a command line. A parameter ``seed`` is *the* seed. `ParamError` if a value does not fit."""
    params = read_params(learner.params, values)
    if any(each.name == "seed" for each in dataclasses.fields(learner.params)):
        if seed is not None:
            params = dataclasses.replace(params, seed=seed)
        return Recipe(learner, params, int(params.seed))
    return Recipe(learner, params, seed or 0)


def sow(seed: int) -> None:
    """Seed the generators that a fit may draw from, so that the same recipe gives the same fit wherever it can."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    if (torch := sys.modules.get("torch")) is not None:
        torch.manual_seed(seed)
