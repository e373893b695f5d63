"""Runs, what they said, the versions they yielded and the files of these versions."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from commerce_ai.shop.models import ShopModel


class Run(ShopModel):
    """One training of one learner in one shop, from the wish to the end. A trainer claims it with a lease."""

    class State(models.TextChoices):
        QUEUED = "queued", _("queued")
        RUNNING = "running", _("running")
        SUCCEEDED = "succeeded", _("succeeded")
        REJECTED = "rejected", _("rejected")  # trained well, but the gate kept it from going live
        SKIPPED = "skipped", _("skipped")  # not enough data
        FAILED = "failed", _("failed")
        CANCELLED = "cancelled", _("cancelled")

    OPEN = (State.QUEUED, State.RUNNING)

    learner = models.CharField(_("learner"), max_length=128)
    slot = models.CharField(_("slot"), max_length=128)
    params = models.JSONField(_("hyper-parameters"), default=dict)
    seed = models.BigIntegerField(_("seed"), default=0)
    recipe = models.CharField(_("recipe"), max_length=64, help_text=_("Fingerprint of learner, parameters and seed."))
    engine = models.CharField(_("engine"), max_length=64, default="local")
    cause = models.CharField(_("asked for by"), max_length=200, blank=True)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, verbose_name=_("person"), null=True, blank=True, related_name="+"
    )

    state = models.CharField(_("state"), max_length=16, choices=State, default=State.QUEUED)
    stage = models.CharField(_("stage"), max_length=120, blank=True)
    progress = models.FloatField(_("progress"), default=0.0, help_text=_("From 0 to 1."))
    reason = models.TextField(_("reason"), blank=True, help_text=_("Why it ended as it did."))
    cancel_requested = models.BooleanField(_("cancel requested"), default=False)

    window_start = models.DateTimeField(_("facts from"), null=True, blank=True)
    window_end = models.DateTimeField(_("facts until"), null=True, blank=True)
    data_fingerprint = models.CharField(_("fingerprint of the data"), max_length=64, blank=True)
    code_version = models.CharField(_("code version"), max_length=64, blank=True)

    claim = models.UUIDField(_("claim"), null=True, blank=True, editable=False)  # whose lease it is
    lease_until = models.DateTimeField(_("lease until"), null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    max_attempts = models.PositiveSmallIntegerField(_("most attempts"), default=3)
    time_limit_s = models.PositiveIntegerField(_("time limit, seconds"), default=6 * 3600)
    worker = models.CharField(_("trainer"), max_length=120, blank=True)
    host = models.CharField(_("machine"), max_length=120, blank=True)
    device = models.CharField(_("device"), max_length=120, blank=True)

    queued_at = models.DateTimeField(_("queued at"), default=timezone.now)
    started_at = models.DateTimeField(_("started at"), null=True, blank=True, help_text=_("Of the last attempt."))
    ended_at = models.DateTimeField(_("ended at"), null=True, blank=True)
    seconds = models.FloatField(_("seconds"), null=True, blank=True)
    cost = models.DecimalField(_("cost"), max_digits=12, decimal_places=4, null=True, blank=True)
    metrics = models.JSONField(_("metrics"), default=dict, blank=True)
    baseline = models.JSONField(_("metrics of the baseline"), default=dict, blank=True)

    class Meta:
        verbose_name, verbose_name_plural = _("run"), _("runs")
        indexes = [
            models.Index(fields=["shop", "-queued_at"], name="run_of_shop"),
            models.Index(fields=["queued_at"], condition=Q(state="queued"), name="run_queued"),
            models.Index(fields=["lease_until"], condition=Q(state="running"), name="run_leased"),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(progress__gte=0, progress__lte=1), name="run_progress_range"),
            models.CheckConstraint(condition=Q(attempts__lte=F("max_attempts")), name="run_attempts_capped"),
            models.CheckConstraint(
                condition=~Q(state="running") | Q(claim__isnull=False, lease_until__isnull=False),
                name="run_leased_if_running",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.learner} #{self.pk}"

    @property
    def is_open(self) -> bool:
        return self.state in self.OPEN


class RunPoint(models.Model):
    """One point of a curve: loss, learning rate, a metric on validation. Long curves are thinned when written."""

    run = models.ForeignKey(Run, models.CASCADE, verbose_name=_("run"), related_name="points", db_index=False)
    name = models.CharField(_("curve"), max_length=120)
    step = models.BigIntegerField(_("step"))
    value = models.FloatField(_("value"))
    at = models.DateTimeField(_("at"), default=timezone.now)

    class Meta:
        verbose_name, verbose_name_plural = _("point"), _("points")
        indexes = [models.Index(fields=["run", "name", "step"], name="run_point_curve")]
        ordering = ["run", "name", "step"]

    def __str__(self) -> str:
        return f"{self.name}[{self.step}] = {self.value:g}"


class RunLog(models.Model):
    """One line that a run said."""

    run = models.ForeignKey(Run, models.CASCADE, verbose_name=_("run"), related_name="log", db_index=False)
    at = models.DateTimeField(_("at"), default=timezone.now)
    level = models.CharField(_("level"), max_length=10, default="info")  # info, warning, error
    text = models.TextField(_("text"))

    class Meta:
        verbose_name, verbose_name_plural = _("log line"), _("log lines")
        indexes = [models.Index(fields=["run", "id"], name="run_log_order")]
        ordering = ["run", "id"]

    def __str__(self) -> str:
        return self.text


class Version(ShopModel):
    """What a run yielded. At most one is live per shop and `exclusive_key`: Postgres refuses a second."""

    class State(models.TextChoices):
        CANDIDATE = "candidate", _("candidate")  # good enough, but not live: a person decides
        LIVE = "live", _("live")
        RETIRED = "retired", _("retired")
        REJECTED = "rejected", _("rejected")

    class Origin(models.TextChoices):
        RUN = "run", _("trained here")
        LAB = "lab", _("adopted from the lab")

    slot = models.CharField(_("slot"), max_length=128)
    learner = models.CharField(_("learner"), max_length=128)
    params = models.JSONField(_("hyper-parameters"), default=dict)
    seed = models.BigIntegerField(_("seed"), default=0)
    recipe = models.CharField(_("recipe"), max_length=64)
    origin = models.CharField(_("origin"), max_length=8, choices=Origin, default=Origin.RUN)
    run = models.ForeignKey(Run, models.SET_NULL, verbose_name=_("run"), null=True, blank=True, related_name="versions")
    exclusive_key = models.CharField(
        _("place"), max_length=260, help_text=_("The slot; where it takes many, with the learner.")
    )

    state = models.CharField(_("state"), max_length=16, choices=State, default=State.CANDIDATE)
    reason = models.TextField(_("reason"), blank=True)
    metrics = models.JSONField(_("metrics"), default=dict)
    baseline = models.JSONField(_("metrics of the baseline"), default=dict)
    verdict = models.JSONField(_("verdict"), default=dict, blank=True)
    explanation = models.JSONField(_("what it goes by"), default=dict, blank=True, editable=False)
    trained_from = models.DateTimeField(_("trained on facts from"), null=True, blank=True)
    trained_until = models.DateTimeField(_("trained on facts until"), null=True, blank=True)

    manifest = models.CharField(
        _("fingerprint of the files"), max_length=64, blank=True
    )  # empty: the files were let go
    size = models.BigIntegerField(_("bytes"), default=0)

    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)
    went_live_at = models.DateTimeField(_("went live at"), null=True, blank=True)
    retired_at = models.DateTimeField(_("retired at"), null=True, blank=True)
    replaced = models.ForeignKey(
        "self",
        models.SET_NULL,
        verbose_name=_("replaced"),
        null=True,
        blank=True,
        related_name="+",
        help_text=_("The version that was live before this one: where a roll-back goes."),
    )
    changed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, verbose_name=_("moved by"), null=True, blank=True, related_name="+"
    )
    published_at = models.DateTimeField(_("published at"), null=True, blank=True)
    publish_tried_at = models.DateTimeField(_("publishing tried at"), null=True, blank=True)
    publish_error = models.TextField(_("why publishing failed"), blank=True)
    load_error = models.TextField(_("why loading failed"), blank=True)

    class Meta:
        verbose_name, verbose_name_plural = _("version"), _("versions")
        constraints = [
            models.UniqueConstraint(
                fields=["shop", "exclusive_key"], condition=Q(state="live"), name="version_one_live"
            ),
            models.CheckConstraint(condition=~Q(state="live") | ~Q(manifest=""), name="version_live_has_files"),
        ]
        indexes = [models.Index(fields=["shop", "slot", "learner", "-created_at"], name="version_of_learner")]

    def __str__(self) -> str:
        return f"{self.learner} v{self.pk}"


class ArtifactFile(models.Model):
    """One file of a version: its path inside the artifact, its sum and size."""

    version = models.ForeignKey(
        Version, models.CASCADE, verbose_name=_("version"), related_name="files", db_index=False
    )
    path = models.CharField(_("path"), max_length=255)
    sha256 = models.CharField("SHA-256", max_length=64)
    size = models.BigIntegerField(_("bytes"))

    class Meta:
        verbose_name, verbose_name_plural = _("artifact file"), _("artifact files")
        constraints = [models.UniqueConstraint(fields=["version", "path"], name="artifact_file_once")]
        ordering = ["version", "path"]

    def __str__(self) -> str:
        return self.path


class ArtifactChunk(models.Model):
    """At most 8 MB of a file; `number` counts from 0."""

    file = models.ForeignKey(
        ArtifactFile, models.CASCADE, verbose_name=_("file"), related_name="chunks", db_index=False
    )
    number = models.PositiveIntegerField(_("number"))
    data = models.BinaryField(_("data"))

    class Meta:
        verbose_name, verbose_name_plural = _("artifact chunk"), _("artifact chunks")
        constraints = [models.UniqueConstraint(fields=["file", "number"], name="artifact_chunk_once")]

    def __str__(self) -> str:
        return f"{self.file_id}/{self.number}"
