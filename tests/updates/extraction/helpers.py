"""What the tests of the extraction look at afterwards."""

from pathlib import Path

from django.conf import settings
from django.core.files.storage import FileSystemStorage, default_storage

from tests.builders import make_uploaded_package
from updates import extraction, store
from updates.models import LedgerEntry, Package, Update


def extracted(content: bytes, *, file_name: str = "package.cab") -> Package:
    """The package of `content`, uploaded (again) and extracted."""
    package = make_uploaded_package(content, file_name=file_name)
    return extracted_again(package)


def extracted_again(package: Package) -> Package:
    extraction.extract(package.pk)
    package.refresh_from_db()
    return package


def findings(package: Package, level: str = "") -> list[tuple[str, str]]:
    """Check and member of the package's findings, of one level or of all."""
    rows = package.findings.filter(level=level) if level else package.findings.all()
    return list(rows.values_list("check_name", "member"))


def states() -> dict[str, str]:
    """Every update with its state."""
    return {str(update): update.state for update in Update.objects.select_related("device_type")}


def actions() -> list[str]:
    return list(LedgerEntry.objects.order_by("pk").values_list("action", flat=True))


def stored() -> list[str]:
    """The paths of all files in the update store."""
    return _files(_folder(store.storage()))


def bytes_at(path: str) -> bytes:
    """The bytes of a file in the update store."""
    with store.storage().open(path) as file:
        return bytes(file.read())


def kept() -> list[str]:
    """The paths of all unassigned files in the package storage."""
    return _files(_folder(default_storage) / "unassigned")


def scratch() -> list[str]:
    """All files and attempts in the scratch folder."""
    root = Path(settings.DUS_SCRATCH_DIR)
    return [*_files(root), *(str(path) for path in root.glob("extract/*"))]


def _folder(storage: object) -> Path:
    return (
        Path(FileSystemStorage.path(storage, ""))
        if isinstance(storage, FileSystemStorage)
        else Path(str(storage))
    )


def _files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
