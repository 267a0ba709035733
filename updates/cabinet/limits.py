"""How much a cabinet may ask of the machine."""

from dataclasses import dataclass

MIB = 1 << 20
GIB = 1 << 30

BLOCK_BYTES = 32_768
"""Bytes a full block unpacks to (MS-CAB, CFDATA.cbUncomp)."""

FORMAT_FOLDER_BYTES = 65_535 * BLOCK_BYTES
"""The format's own bound on a folder, hence on a member: CFFOLDER.cCFData has 16 bits."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds for one cabinet and for the whole tree of cabinets inside it. A "tree" bound is one shared budget."""

    cabinet_bytes: int = GIB
    """Bytes of one cabinet file, nested ones too."""
    members: int = 4096
    """Members of one cabinet."""
    tree_members: int = 10_000
    """Members of all cabinets of a tree together, nested cabinets counted as members."""
    folders: int = 256
    """Folders (compressed streams) of one cabinet."""
    member_bytes: int = GIB
    """Unpacked bytes of one member; the format itself ends at 2,147,450,880."""
    tree_bytes: int = 4 * GIB
    """Unpacked bytes of a whole tree, nested cabinets included."""
    ratio: int = 200
    """Unpacked bytes per byte of the cabinet, once more than `ratio_from_bytes` come out."""
    ratio_from_bytes: int = 64 * MIB
    """Unpacked bytes below which the ratio is not looked at."""
    depth: int = 3
    """Levels of cabinets below the outermost one."""
    nested_cabinets: int = 64
    """Cabinets inside a tree, the outermost one not counted."""
    signature_bytes: int = 256 * 1024
    """Bytes of an Authenticode signature after the cabinet."""
    name_bytes: int = 255
    """Bytes of one member's name."""
    name_levels: int = 16
    """Parts of one member's path."""
    cpu_seconds: int = 120
    """Processor seconds of one decoding child."""
    wall_seconds: float = 300.0
    """Seconds spent waiting for decoding children, over the whole tree. The caller's own time does not count."""
    child_bytes: int = 256 * MIB
    """Bytes of data memory of one decoding child."""


DEFAULTS = Limits()
