"""What updates exist, where they came from, and who decided what about them.

The constraints keep what must stay true whatever code runs: at most one pending and one approved update
per device type and update type, one package per content, one update per version.
"""

from typing import Any, Literal, NoReturn

from django.conf import settings
from django.db import models
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from devices.models import Device, DeviceType
from devices.wording import Wording, plain
from updates.domain.findings import Level
from updates.domain.lifecycle import Action, State


def _worded(text: str, words: object) -> Wording:
    """The wording of a stored English text; the text as it is, when there is none or it says something else."""
    try:
        found = Wording.from_json(words)
    except ValueError:
        return plain(text)
    return found if found == text else plain(text)


class Package(models.Model):
    """One uploaded .cab. Its row is also its job: state, lease and attempts of the extraction.

    `claimed_at` is set exactly while a worker holds the package; it is that worker's receipt.
    """

    class State(models.TextChoices):
        UPLOADED = "uploaded", _("Uploaded")
        EXTRACTING = "extracting", _("Extracting")
        READY = "ready", _("Ready")
        FAILED = "failed", _("Failed")

    file_name = models.CharField(_("file"), max_length=255)
    sha256 = models.CharField(_("SHA-256"), max_length=64, unique=True)
    size = models.PositiveBigIntegerField(_("size"))
    stored_as = models.CharField(max_length=255, editable=False)
    state = models.CharField(_("state"), max_length=10, choices=State.choices, default=State.UPLOADED)
    uploaded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("uploaded by"),
    )
    uploaded_at = models.DateTimeField(_("uploaded"))
    claimed_at = models.DateTimeField(null=True, blank=True, editable=False)
    lease_until = models.DateTimeField(null=True, blank=True, editable=False)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0, editable=False)
    # Set while a package waits after an attempt that could not finish: nobody takes it before.
    retry_at = models.DateTimeField(null=True, blank=True, editable=False)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)
    done_bytes = models.PositiveBigIntegerField(default=0, editable=False)
    total_bytes = models.PositiveBigIntegerField(default=0, editable=False)

    class Meta:
        verbose_name = _("package")
        verbose_name_plural = _("packages")
        ordering = ("-uploaded_at", "-pk")
        indexes = [models.Index(fields=("state", "lease_until"), name="updates_package_job")]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(state="extracting", claimed_at__isnull=False, lease_until__isnull=False)
                | (
                    ~models.Q(state="extracting")
                    & models.Q(claimed_at__isnull=True, lease_until__isnull=True)
                ),
                name="updates_package_claimed_while_extracting",
            ),
        ]

    def __str__(self) -> str:
        return self.file_name


class Finding(models.Model):
    """One result of one check of a package, in the order in which they were made.

    The texts are English, for searching and for programs; `words` has what they are made of, for the console.
    """

    class Level(models.TextChoices):
        PASS = Level.PASS.value, _("Pass")
        WARNING = Level.WARNING.value, _("Warning")
        FAILURE = Level.FAILURE.value, _("Failure")

    package = models.ForeignKey(Package, on_delete=models.CASCADE, related_name="findings")
    level = models.CharField(_("level"), max_length=7, choices=Level.choices)
    check_name = models.CharField(_("check"), max_length=40)
    member = models.CharField(_("member"), max_length=600, blank=True)
    message = models.TextField(_("message"))
    remedy = models.TextField(_("remedy"), blank=True)
    words = models.JSONField(default=dict, blank=True, editable=False)

    class Meta:
        verbose_name = _("finding")
        verbose_name_plural = _("findings")
        ordering = ("pk",)

    def __str__(self) -> str:
        return self.message

    def worded(self, part: Literal["member", "message", "remedy"]) -> Wording:
        """One of the texts, ready to be said in any language."""
        texts = {"member": self.member, "message": self.message, "remedy": self.remedy}
        words = self.words if isinstance(self.words, dict) else {}
        return _worded(texts[part], words.get(part))

    @property
    def member_shown(self) -> str:
        """The member in the language of the page."""
        return self.worded("member").said(gettext)

    @property
    def message_shown(self) -> str:
        """The message in the language of the page."""
        return self.worded("message").said(gettext)

    @property
    def remedy_shown(self) -> str:
        """The remedy in the language of the page."""
        return self.worded("remedy").said(gettext)


class Update(models.Model):
    """One version of one update type for one device type.

    `previous` is the update that was approved before this one and comes back when this one is rolled back.
    `version_key` sorts versions by their numbers; `receipt` is that of the extraction that reserved the update.
    """

    class State(models.TextChoices):
        IMPORTING = State.IMPORTING.value, _("Importing")
        PENDING = State.PENDING.value, _("Pending")
        APPROVED = State.APPROVED.value, _("Approved")
        SUPERSEDED = State.SUPERSEDED.value, _("Superseded")
        REJECTED = State.REJECTED.value, _("Rejected")

    device_type = models.ForeignKey(
        DeviceType, on_delete=models.PROTECT, related_name="updates", verbose_name=_("device type")
    )
    update_type = models.CharField(_("update type"), max_length=64)
    version = models.CharField(_("version"), max_length=20)
    version_key = models.CharField(max_length=255, editable=False)
    state = models.CharField(_("state"), max_length=10, choices=State.choices)
    package = models.ForeignKey(
        Package, on_delete=models.PROTECT, related_name="updates", verbose_name=_("package")
    )
    previous = models.ForeignKey(
        "self",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
        verbose_name=_("version to restore"),
    )
    release_notes = models.TextField(_("release notes"), blank=True)
    imported_at = models.DateTimeField(_("imported"))
    approved_at = models.DateTimeField(_("approved"), null=True, blank=True)
    files_cleared_at = models.DateTimeField(_("files cleared"), null=True, blank=True)
    receipt = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("update")
        verbose_name_plural = _("updates")
        ordering = ("device_type", "update_type", "-version_key")
        permissions = [
            ("approve_update", "Can approve updates"),
            ("reject_update", "Can reject updates"),
            ("roll_back_update", "Can roll back updates"),
            ("clear_files", "Can clear files of withdrawn updates"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=("device_type", "update_type", "version"), name="updates_update_unique_version"
            ),
            models.UniqueConstraint(
                fields=("device_type", "update_type"),
                condition=models.Q(state="pending"),
                name="updates_update_one_pending",
            ),
            models.UniqueConstraint(
                fields=("device_type", "update_type"),
                condition=models.Q(state="approved"),
                name="updates_update_one_approved",
            ),
        ]
        indexes = [models.Index(fields=("state", "device_type"), name="updates_update_state")]

    def __str__(self) -> str:
        return f"{self.device_type} {self.update_type} {self.version}"

    @property
    def folder(self) -> str:
        """The update's folder in the update store and below both base URLs, without slashes at its ends."""
        return f"{self.device_type.key.path}/{self.version}/{self.update_type}"


class PendingUpdate(Update):
    """An update that waits for a decision: a list of its own in the console."""

    class Meta:
        proxy = True
        default_permissions = ()
        verbose_name = _("pending update")
        verbose_name_plural = _("pending updates")
        ordering = ("device_type", "update_type", "-version_key")


class DeployedUpdate(Update):
    """An update that is offered to every device of its type: a list of its own in the console."""

    class Meta:
        proxy = True
        default_permissions = ()
        verbose_name = _("deployed update")
        verbose_name_plural = _("deployed updates")
        ordering = ("device_type", "update_type", "-version_key")


class UpdateFile(models.Model):
    """One file of an update, as devices download it. Its bytes never change."""

    update = models.ForeignKey(Update, on_delete=models.CASCADE, related_name="files")
    name = models.CharField(_("file"), max_length=255)
    size = models.PositiveBigIntegerField(_("size"))
    sha256 = models.CharField(_("SHA-256"), max_length=64)
    modified = models.DateTimeField(_("modified"), null=True, blank=True)
    # The name of the update's file that signs this one.
    signature = models.CharField(_("signature file"), max_length=255, blank=True)
    # The whole path in the update store: what a download looks up.
    path = models.CharField(max_length=700, unique=True, editable=False)

    class Meta:
        verbose_name = _("file")
        verbose_name_plural = _("files")
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class UnassignedFile(models.Model):
    """A member of a package that names no device type; an administrator may make an update of it."""

    package = models.ForeignKey(Package, on_delete=models.CASCADE, related_name="unassigned_files")
    cabinet = models.CharField(_("nested cabinet"), max_length=600, blank=True)
    name = models.CharField(_("file"), max_length=600)
    size = models.PositiveBigIntegerField(_("size"))
    sha256 = models.CharField(_("SHA-256"), max_length=64)
    modified = models.DateTimeField(_("modified"), null=True, blank=True)
    stored_as = models.CharField(max_length=255, editable=False)
    update = models.ForeignKey(
        Update,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("assigned to"),
    )

    class Meta:
        verbose_name = _("unassigned file")
        verbose_name_plural = _("unassigned files")
        ordering = ("pk",)

    def __str__(self) -> str:
        return self.name


class LedgerEntryQuerySet(models.QuerySet["LedgerEntry"]):
    """Entries are added and read; nothing else."""

    def update(self, **_kwargs: Any) -> NoReturn:
        raise TypeError("The ledger is append-only; add an entry that corrects the earlier one.")

    def delete(self) -> NoReturn:
        raise TypeError("The ledger is append-only; nothing is removed from it.")


class LedgerEntry(models.Model):
    """Who did what to which update, when and why. Append-only; it keeps its words when its subject goes."""

    ACTIONS = [
        (Action.PACKAGE_UPLOADED.value, _("Package uploaded")),
        (Action.PACKAGE_FAILED.value, _("Package failed")),
        (Action.IMPORTED.value, _("Imported")),
        (Action.APPROVED.value, _("Approved")),
        (Action.REJECTED.value, _("Rejected")),
        (Action.ROLLED_BACK.value, _("Rolled back")),
        (Action.RESTORED.value, _("Restored")),
        (Action.SUPERSEDED.value, _("Superseded")),
        (Action.REMOVED.value, _("Removed")),
        (Action.FILES_CLEARED.value, _("Files cleared")),
        (Action.OFFERS_ENABLED.value, _("Offers turned on")),
        (Action.OFFERS_DISABLED.value, _("Offers turned off")),
        (Action.TEST_DEVICE_ADDED.value, _("Test device added")),
        (Action.TEST_DEVICE_REMOVED.value, _("Test device removed")),
    ]

    at = models.DateTimeField(_("time"), db_index=True)
    action = models.CharField(_("action"), max_length=24, choices=ACTIONS)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("who"),
    )
    actor_name = models.CharField(_("who"), max_length=150)
    subject = models.CharField(_("subject"), max_length=400)
    # Numbers, not foreign keys: an entry outlives what it speaks of.
    update_number = models.PositiveBigIntegerField(null=True, blank=True, db_index=True, editable=False)
    package_number = models.PositiveBigIntegerField(null=True, blank=True, db_index=True, editable=False)
    before = models.CharField(_("before"), max_length=100, blank=True)
    after = models.CharField(_("after"), max_length=100, blank=True)
    reason = models.TextField(_("reason"), blank=True)
    # What the reason is made of, where the service itself wrote it.
    reason_words = models.JSONField(default=dict, blank=True, editable=False)

    objects = LedgerEntryQuerySet.as_manager()

    class Meta:
        verbose_name = _("history entry")
        verbose_name_plural = _("history")
        ordering = ("-pk",)

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} {self.action} {self.subject}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise TypeError("The ledger is append-only; add an entry that corrects the earlier one.")
        super().save(*args, **kwargs)

    def delete(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        raise TypeError("The ledger is append-only; nothing is removed from it.")

    @property
    def before_shown(self) -> str:
        """What was before; a state in the language of the page."""
        return str(dict(Update.State.choices).get(self.before, self.before))

    @property
    def after_shown(self) -> str:
        """What was afterwards; a state in the language of the page."""
        return str(dict(Update.State.choices).get(self.after, self.after))

    @property
    def reason_shown(self) -> str:
        """The reason; in the language of the page, where the service itself wrote it."""
        return _worded(self.reason, self.reason_words).said(gettext)


class ServiceState(models.Model):
    """The service's one row: the switch for offers, and the number that tells processes to look again."""

    offers_enabled = models.BooleanField(_("updates are offered"), default=True)
    generation = models.PositiveBigIntegerField(default=0, editable=False)

    class Meta:
        verbose_name = _("service")
        verbose_name_plural = _("service")
        default_permissions = ()
        permissions = [("switch_offers", "Can turn offers on and off")]
        constraints = [models.CheckConstraint(condition=models.Q(pk=1), name="updates_service_state_one_row")]

    def __str__(self) -> str:
        return "service"


class Delivery(models.Model):
    """What one device was offered, fetched, and now runs, of one update."""

    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="deliveries")
    update = models.ForeignKey(Update, on_delete=models.CASCADE, related_name="deliveries")
    from_version = models.CharField(_("from version"), max_length=64, blank=True)
    offered_at = models.DateTimeField(_("offered"))
    last_offered_at = models.DateTimeField(_("last offered"))
    fetched_at = models.DateTimeField(_("fetched"), null=True, blank=True)
    installed_at = models.DateTimeField(_("installed"), null=True, blank=True)

    class Meta:
        verbose_name = _("delivery")
        verbose_name_plural = _("deliveries")
        ordering = ("-last_offered_at", "-pk")
        constraints = [models.UniqueConstraint(fields=("device", "update"), name="updates_delivery_unique")]

    def __str__(self) -> str:
        return f"{self.device} {self.update}"
