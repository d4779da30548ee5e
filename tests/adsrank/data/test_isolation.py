import ast
from pathlib import Path

ROOT = Path(__file__).parents[3]
ENGINE = sorted(
    path
    for package in ("adsrank", "auction", "calibration")
    for path in (ROOT / package).rglob("*.py")
    if ROOT / "adsrank" / "data" not in path.parents
)


def imported(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    return found


def test_nothing_of_the_engine_imports_the_market() -> None:
    leaks = {
        str(path.relative_to(ROOT)): names
        for path in ENGINE
        if (names := {name for name in imported(path) if name.startswith("adsrank.data")})
    }
    assert leaks == {}


def test_an_import_of_the_market_would_be_found(tmp_path: Path) -> None:
    (tmp_path / "leak.py").write_text("def f():\n    from adsrank.data import truth\n")
    assert "adsrank.data.truth" in imported(tmp_path / "leak.py")
    assert ROOT / "adsrank" / "request.py" in ENGINE
