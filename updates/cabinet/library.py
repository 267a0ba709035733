"""Where libmspack may be found, the one library that LZX and Quantum need."""

import sys
from importlib.util import find_spec
from pathlib import Path

_SYSTEM = {"linux": "libmspack.so.0", "darwin": "libmspack.0.dylib"}


def candidates() -> list[str]:
    """Names and paths to try in order: the system's libmspack, then the copy inside the package pylibmspack.

    The package is located, never imported: only its shared library is wanted, and only by the child.
    """
    found = [_SYSTEM[sys.platform]] if sys.platform in _SYSTEM else []
    spec = find_spec("pylibmspack")
    for folder in (spec.submodule_search_locations if spec else None) or ():
        found += sorted(str(path) for path in Path(folder, ".libs").glob("libmspack*"))
    return found
