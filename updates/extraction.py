"""From a stored package to published updates: what a worker does with one package."""


def extract(package_id: int) -> None:
    """Extracts the package."""
    raise RuntimeError(package_id)


def sweep() -> list[int]:
    """Packages to queue again."""
    return []
