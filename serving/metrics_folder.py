"""Where the replicas of one server add up their counters."""

from pathlib import Path

FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""Read by prometheus_client when it is first imported: set for replicas before they start."""


def fresh_folder(root: Path, name: str) -> Path:
    """A folder for one server's replicas to add up in; those of earlier servers are removed."""
    root.mkdir(parents=True, exist_ok=True)
    for old in root.glob("*/*.db"):
        if _abandoned(old):
            old.unlink(missing_ok=True)
    folder = root / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _abandoned(file: Path) -> bool:
    """Whether the process that wrote ``counter_<pid>.db`` is gone."""
    process = file.stem.rpartition("_")[2]
    return process.isdigit() and not Path(f"/proc/{process}").exists()
