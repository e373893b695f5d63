"""The contract that a plugin fulfils: a table of contents in class attributes, and a few methods.

Django only, never torch. A third party's plugin comes by the entry-point group ``commerce_ai.plugins`` and is
tried in a child process before it may join; ours are listed in the settings. Both are treated alike afterwards.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from django.apps import AppConfig
from django.utils.module_loading import import_string, module_has_submodule

if TYPE_CHECKING:
    from django.http import HttpRequest

    from commerce_ai.shop.models import Customer, Shop

CORE_VERSION = 1
ENTRY_POINTS = "commerce_ai.plugins"
TRIAL = "COMMERCE_AI_PLUGIN_TRIAL"  # names the one third-party module that a child process tries
TRIAL_TIMEOUT_S = 60
LEAST_ACCEPTED = 0.8  # of the proposals that people decided last: with fewer, nothing acts by itself


@dataclass(frozen=True)
class Slot:
    """A named place for learners. `single`: one live version a shop; else one a shop and learner.

    `inputs` and `output` are column names that every learner of the slot reads and gives (its own schemas may
    have more); `requests` those of the frames it answers for.
    """

    name: str
    single: bool
    output: Sequence[str]
    inputs: Mapping[str, Sequence[str]] = field(default_factory=dict)
    requests: Mapping[str, Sequence[str]] = field(default_factory=dict)
    doc: str = ""


@dataclass(frozen=True)
class Schedule:
    """A job of a plugin in each shop where it is on. Made once, then the operator's to change.

    `job` is the dotted name of a function ``job(shop_id: int, **arguments)``. `at` is ``HH:MM`` in the shop's
    timezone, daily; or `every` gives an interval.
    """

    name: str
    job: str
    title: Any
    at: str | None = None
    every: timedelta | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Page:
    """A console page: path below ``/console/<slug>/``, dotted view, title, the permission it needs."""

    path: str
    view: str
    title: Any
    permission: str = ""
    icon: str = "monitoring"


@dataclass(frozen=True)
class Draws:
    """That a plugin answers visitors: experiments draw them into arms, and who is held out gets its fallback.

    `kinds` are those of its decisions that are such answers. `emergency` names the setting that stops all learners:
    while it is on nobody enters an arm. `units` says whom its requests name: visitor, customer.
    `tries` are the slots whose versions an arm may name, as the plugin answers by `drawn.versions(slot)`; where it has
    none, `untried` says why in a sentence. `again` names a function of the plugin, ``(shop_id, decision, drawn) ->
    Again | None``, that answers once more what a decision was about and keeps nothing, for versions in the shadow;
    where a decision holds too little for that, `unasked` says so.
    """

    kinds: tuple[str, ...]
    emergency: str = ""
    units: tuple[str, ...] = ("visitor", "customer")
    tries: tuple[str, ...] = ()
    untried: Any = ""
    again: str = ""
    unasked: Any = ""


@dataclass(frozen=True)
class Card:
    """A tile on the console's first page: a figure, what it is, and the list it links to."""

    title: Any
    value: str
    detail: Any = ""
    url: str = ""
    tone: Literal["", "good", "warn", "bad"] = ""


@dataclass(frozen=True)
class Health:
    """One finding about a plugin in one shop. `alert` is false where the plugin raises an alert of its own for it."""

    level: Literal["ok", "warn", "bad"]
    message: Any
    url: str = ""
    alert: bool = True


@dataclass(frozen=True)
class Need:
    """Something that waits for an operator in one shop: a row of the first page, ranked over all plugins.

    `title` is words, or a function of how many there are that gives them. `gain` is the money a week that is expected
    of doing it, in the shop's currency, and `gains` what of it each of `product_ids` brings; None where nobody can say.
    `url` is the filtered list of its rows. `approve` is the address of the POST that does all of it, empty where each
    wants a look: it is sent `action` (``approve-all``), `seen` (the instant the page was made: what changed later
    is left alone) and, once for each product that is decided apart, `but`. See `commerce_ai.console.proposals`.

    `about` is what is proposed of a product in two words, and `against` are the kinds (of any plugin) that can't be
    done to the same product as well.
    """

    kind: str
    title: Any
    detail: Any = ""
    gain: Decimal | None = None
    deadline: datetime | None = None
    url: str = ""
    count: int = 1
    product_ids: tuple[int, ...] = ()
    gains: tuple[Decimal | None, ...] = ()
    approve: str = ""
    about: Any = ""
    against: tuple[str, ...] = ()
    tone: Literal["", "good", "warn", "bad"] = ""

    def words(self, count: int | None = None) -> str:
        """The title, for as many as are left of it."""
        title: Any | Callable[[int], Any] = self.title
        return str(title(self.count if count is None else count) if callable(title) else title)


@dataclass(frozen=True)
class Approval:
    """What was approved lately in one go, and how it is taken back: `undo` is sent `action` (``undo-batch``), `batch`.

    `by` is whoever approved, in words; `automatic`: nobody, but the schedule within its guard-rails.
    """

    title: Any
    count: int
    at: datetime
    by: Any = ""
    automatic: bool = False
    gain: Decimal | None = None
    batch: str = ""
    undo: str = ""
    url: str = ""


@dataclass(frozen=True)
class Known:
    """One thing that a plugin knows of a customer: a line of their page, of figures and words of the plugin's own.

    Nothing that the person wrote stands in it: analysts read it, too. `url` leads to the row that it comes from.
    """

    title: Any
    value: Any
    detail: Any = ""
    url: str = ""
    at: datetime | None = None


@dataclass(frozen=True)
class Mode:
    """Whether a plugin only suggests or also acts by itself, and how it stands: `accepted` of `wanted` by people."""

    automatic: bool
    chosen: bool
    accepted: int
    wanted: int
    share: float
    url: str = ""

    @property
    def earned(self) -> bool:
        return self.accepted >= self.wanted and self.share >= LEAST_ACCEPTED


class Plugin(AppConfig):
    """Subclass in ``apps.py``; `slug` is also the app label, the folder's name and the route prefix."""

    default = False
    slug: ClassVar[str]
    version: ClassVar[str]
    author: ClassVar[str] = ""
    summary: ClassVar[Any] = ""
    icon: ClassVar[str] = "extension"
    core: ClassVar[str] = ">=1,<2"
    slots: ClassVar[tuple[Slot, ...]] = ()
    learners: ClassVar[tuple[str, ...]] = ()
    schedules: ClassVar[tuple[Schedule, ...]] = ()
    settings_form: ClassVar[str] = "forms.SettingsForm"
    pages: ClassVar[tuple[Page, ...]] = ()
    fallback: ClassVar[Any] = ""  # what answers while the plugin is off or has no live version, in words
    draws: ClassVar[Draws | None] = None
    undrawn: ClassVar[Any] = ""  # why nobody is drawn where one might expect it, in words

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # Django silently ignores a config that shares its module with another candidate and is not the default.
        cls.default = True
        if "slug" in cls.__dict__:
            cls.label = cls.slug

    def cards(self, request: HttpRequest, shop: Shop) -> list[Card]:
        """Tiles on the console's first page for this shop."""
        return []

    def health(self, shop: Shop) -> list[Health]:
        """Findings beyond the core's own (live version, age, last run)."""
        return []

    def needs(self, shop: Shop) -> list[Need]:
        """What waits for an operator now: a handful, equal ones grouped; from its own tables, never from events."""
        return []

    def approvals(self, shop: Shop) -> list[Approval]:
        """What was approved in the last days, newest first, each with its way back."""
        return []

    def known(self, shop: Shop, customer: Customer) -> list[Known]:
        """What it knows of a customer of the shop, newest first; a handful."""
        return []

    def mode(self, shop: Shop) -> Mode | None:
        """Suggest or automatic; None for a plugin that proposes nothing to decide."""
        return None

    def forget(self, shop_id: int, *, customer_id: int | None, external_id: str, anonymous_ids: Sequence[str]) -> None:
        """Let go of what is kept on a person outside tables, as they are erased; tables are found without this.

        Their rows still stand, and `customer_id` is our id; None where there is no such customer any more. It may be
        called again for the same person. What it raises keeps the erasure from being done, so that it is tried again.
        """

    def settings_form_class(self) -> Any:
        """The Django form that is schema, validation, translation and page of this plugin's settings; or None."""
        module, _, name = self.settings_form.rpartition(".")
        if not module_has_submodule(self.module, module):
            return None
        return import_string(f"{self.name}.{module}.{name}")

    def urlpatterns(self) -> list[Any]:
        """The plugin's routes below ``/api/v1/``: `urlpatterns` of its ``api`` module, if it has one."""
        if not module_has_submodule(self.module, "api"):
            return []
        return list(import_string(f"{self.name}.api.urlpatterns"))

    def core_fits(self) -> bool:
        """Whether this core is within the range that the plugin says it works with."""
        for part in self.core.split(","):
            sign, number = part.strip().rstrip("0123456789"), int(part.strip().lstrip("<>=!"))
            fits = {
                ">=": number <= CORE_VERSION,
                "<": number > CORE_VERSION,
                "<=": number >= CORE_VERSION,
                ">": number < CORE_VERSION,
                "==": number == CORE_VERSION,
                "!=": number != CORE_VERSION,
            }[sign]
            if not fits:
                return False
        return True


# --- third parties ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Found:
    """A third-party plugin that an installed package announces; `error` is why it was left out, or None."""

    name: str
    module: str
    distribution: str
    error: str | None = None


def discover(var: Path, *, keep: bool = True) -> list[Found]:
    """The announced plugins, each tried in a child process; with `keep` once per installed state of its package."""
    if (trial := os.environ.get(TRIAL)) is not None:
        return [Found(trial, trial, "")] if trial else []
    found = []
    remembered = _read(var / "plugins.json")
    changed = False
    for point in sorted(importlib.metadata.entry_points(group=ENTRY_POINTS), key=lambda each: each.name):
        distribution = f"{point.dist.name} {point.dist.version}" if point.dist else ""
        state = _state_of(point.module, distribution)
        known = remembered.get(point.name)
        if known is None or known["state"] != state:
            known = {"state": state, "error": _try(point.module)}
            remembered[point.name] = known
            changed = True
        found.append(Found(point.name, point.module, distribution, known["error"]))
    if changed and keep:
        var.mkdir(parents=True, exist_ok=True)
        scratch = var / f".plugins.{os.getpid()}.json"
        scratch.write_text(json.dumps(remembered, indent=1))
        scratch.replace(var / "plugins.json")
    return found


def _try(module: str) -> str | None:
    """None if Django starts and checks itself with this plugin, else the last words of the failure."""
    environment = {**os.environ, TRIAL: module, "DJANGO_SETTINGS_MODULE": "commerce_ai.settings"}
    try:
        done = subprocess.run(
            [
                sys.executable,
                "-c",
                "from django.core.management import execute_from_command_line as run; "
                "run(['manage.py', 'check', '--fail-level', 'ERROR'])",
            ],
            env=environment,
            capture_output=True,
            text=True,
            timeout=TRIAL_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"it did not start within {TRIAL_TIMEOUT_S} s"
    if done.returncode == 0:
        return None
    return done.stderr.strip()[-2000:] or f"exit status {done.returncode}"


def _state_of(module: str, distribution: str) -> str:
    """Changes whenever the package's files do, so that an edited plugin is tried again."""
    try:
        spec = importlib.util.find_spec(module)
    except ImportError:
        spec = None
    if spec is None or spec.origin is None:
        return f"{distribution} missing"
    files = sorted(Path(spec.origin).parent.rglob("*.py"))
    newest = max((file.stat().st_mtime_ns for file in files), default=0)
    return f"{distribution} core {CORE_VERSION} {len(files)} {newest}"


def _read(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return {}


def as_json(found: Sequence[Found]) -> list[dict[str, Any]]:
    return [asdict(each) for each in found]
