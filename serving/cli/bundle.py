"""`adsrank bundle`: look at model bundles, check them, compare them, and say which one serves."""

from pathlib import Path
from typing import Annotated, Any

import typer

from serving.cli.console import CHECK_FAILED, Json, emit_json, fail, out, table

app = typer.Typer(name="bundle", help="Model bundles: look, check, compare, publish.", no_args_is_help=True)

Folder = Annotated[Path, typer.Argument(help="Folder of a bundle, or a registry (its current bundle).")]
RegistryFolder = Annotated[Path, typer.Argument(help="Folder of the registry.")]
Miscalibrated = Annotated[
    bool,
    typer.Option(
        "--allow-miscalibrated", help="Accept held-out PCOC more than 10 % off: prices will be wrong."
    ),
]
MaxMs = Annotated[
    float | None, typer.Option(help="Most processor milliseconds for the stored sample; default 50.", min=0)
]
Tolerance = Annotated[
    float | None, typer.Option(help="Most that an answer may differ, in log-odds; default 0.001.", min=0)
]


@app.callback()
def bundle() -> None:
    """Model bundles: look, check, compare, publish."""


@app.command(epilog="Example: adsrank bundle show runs/bundle")
def show(path: Folder, as_json: Json = False) -> None:
    """What a bundle is made of, and how it did on held-out rows; files are checked, nothing is scored."""
    from adsrank.models.bundle import Bundle
    from adsrank.models.difference import flat

    loaded = Bundle.load(path, admission=None)
    manifest = loaded.manifest
    sizes = {name: encoder.size for name, encoder in loaded.transform.encoders_.items()}
    if as_json:
        described = {"id": loaded.id, **manifest.model_dump(mode="json")}
        emit_json({**described, "vocabularies": sizes, "sample_rows": len(loaded.sample)})
        return
    model = flat(manifest.model.model_dump(mode="json", exclude_defaults=True))
    weights = sum(value.numel() for value in loaded.network.state_dict().values())
    table(
        f"bundle {loaded.id}",
        ["what", ""],
        [
            ("embedding space", manifest.embedding_space),
            ("trained on", f"{manifest.data.rows:,} rows, {manifest.data.first} to {manifest.data.last}"),
            ("tested from", manifest.data.test_from),
            ("features", f"{len(loaded.transform.spec.features)}, table {manifest.feature_spec}"),
            ("model, where not the default", ", ".join(f"{k} {v}" for k, v in model.items()) or "-"),
            ("weights", f"{weights:,}"),
            ("first stage", manifest.first_stage),
            ("conversions per click", f"{manifest.conversion_rate:.4f}"),
            ("sample", f"{len(loaded.sample)} rows"),
        ],
    )
    table(
        "held-out rows",
        ["head", "rows", "positives", "PCOC", "95 % interval", "NE", "AUC"],
        [
            (
                head,
                f"{held.rows:,}",
                f"{held.positives:,}",
                number(held.pcoc),
                "-" if held.low is None else f"{held.low:.3f} to {number(held.high)}",
                number(held.normalized_entropy),
                number(held.auc),
            )
            for head, held in manifest.held_out.items()
        ],
    )
    table("vocabularies", ["table", "rows"], [(name, f"{size:,}") for name, size in sizes.items()])
    table(
        "files",
        ["file", "bytes", "SHA-256"],
        [(name, f"{entry.bytes:,}", entry.sha256[:16] + "…") for name, entry in manifest.files.items()],
    )


@app.command(epilog="Example: adsrank bundle verify runs/bundle --max-ms 20")
def verify(
    path: Folder,
    space: Annotated[
        str | None, typer.Option(help="The embedding space of the catalog it will serve beside.")
    ] = None,
    allow_miscalibrated: Miscalibrated = False,
    max_ms: MaxMs = None,
    tolerance: Tolerance = None,
    as_json: Json = False,
) -> None:
    """Check a bundle as a server does before it serves: files, answers, speed, calibration.

    Exit code 1 where it must not serve.
    """
    from adsrank.errors import BundleError
    from adsrank.models.admission import Finding
    from adsrank.models.bundle import Bundle

    rules = admission(allow_miscalibrated, max_ms, tolerance)
    bundle_id, findings = "", []
    try:
        loaded = Bundle.load(path, admission=None)
    except BundleError as error:
        findings.append(Finding("", "files", 0.0, "as the manifest and this code say", False, str(error)))
    else:
        bundle_id = loaded.id
        files = len(loaded.manifest.files)
        findings.append(Finding("", "files", files, "as the manifest and this code say", True))
        findings += rules.examine(loaded)
        if space is not None:
            same = loaded.embedding_space == space
            note = "" if same else f"it speaks {loaded.embedding_space!r}"
            findings.append(
                Finding("manifest.json", "embedding space", float(same), f"is {space!r}", same, note)
            )
    serves = all(finding.holds for finding in findings)
    if as_json:
        emit_json({"id": bundle_id, "serves": serves, "findings": findings})
    else:
        table(
            f"bundle {bundle_id or path}: {'may serve' if serves else 'must not serve'}",
            ["check", "found", "bound", "holds"],
            [(f.check, f"{f.value:.4g}", f.bound, "yes" if f.holds else "no") for f in findings],
        )
        for finding in findings:
            if finding.note:
                out.print(f"{finding.check}: {finding.note}", markup=False, soft_wrap=True)
    if not serves:
        raise typer.Exit(CHECK_FAILED)


@app.command(epilog="Example: adsrank bundle diff runs/bundle runs/bundle-new")
def diff(before: Folder, after: Folder, as_json: Json = False) -> None:
    """What changed: settings, held-out figures, vocabularies, weights, and answers to the stored sample."""
    from adsrank.models.bundle import Bundle
    from adsrank.models.difference import compare

    found = compare(Bundle.load(before, admission=None), Bundle.load(after, admission=None))
    if as_json:
        emit_json(found)
        return
    if found.equal:
        out.print(f"equal: both are bundle {found.before}")
        return
    out.print(f"bundle {found.before} → {found.after}")
    for title, changes in (
        ("settings", found.fields),
        ("held-out figures", found.metrics),
        ("vocabulary sizes", found.vocabularies),
    ):
        if changes:
            table(
                title, ["what", "before", "after"], [(c.name, cell(c.before), cell(c.after)) for c in changes]
            )
    if found.weights:
        table(
            "weights: norms, and the norm of the change over that before",
            ["tensor", "before", "after", "change"],
            [(w.name, cell(w.before), cell(w.after), number(w.relative)) for w in found.weights],
        )
    if found.scores:
        table(
            "answers to the stored sample: |difference| in log-odds",
            ["probability", "mean", "largest"],
            [(s.name, f"{s.mean:.4f}", f"{s.largest:.4f}") for s in found.scores],
        )
    if found.unscored:
        out.print(f"not scored: {found.unscored}", markup=False)


@app.command(epilog="Example: adsrank bundle export runs/bundle model.onnx")
def export(
    path: Folder,
    file: Annotated[Path, typer.Argument(help="New file for the graph.")],
    tolerance: Annotated[
        float, typer.Option(help="Most that the graph's logits may differ from the model's.", min=0)
    ] = 1e-3,
    as_json: Json = False,
) -> None:
    """Write the model as an ONNX graph, and compare it with the model where ONNX Runtime is installed."""
    from importlib.util import find_spec

    from adsrank.models.bundle import Bundle
    from adsrank.models.onnx import export_onnx, parity

    loaded = Bundle.load(path, admission=None)
    export_onnx(loaded, file)
    apart = parity(loaded, file) if find_spec("onnxruntime") else None
    if as_json:
        emit_json({"file": str(file), "bytes": file.stat().st_size, "largest_difference": apart})
    elif apart is None:
        out.print(f"{file}: written; not compared, since onnxruntime is not installed", markup=False)
    else:
        out.print(f"{file}: written; logits differ from the model's by at most {apart:.2g}", markup=False)
    if apart is not None and not apart <= tolerance:
        fail(f"{file}: differs from the model by {apart:.2g}; at most {tolerance:g}", CHECK_FAILED)


@app.command(epilog="Example: adsrank bundle publish runs/bundle runs/registry")
def publish(
    path: Annotated[Path, typer.Argument(help="Folder of the bundle.")],
    registry: RegistryFolder,
    allow_miscalibrated: Miscalibrated = False,
    max_ms: MaxMs = None,
    tolerance: Tolerance = None,
    as_json: Json = False,
) -> None:
    """Check a bundle, keep a copy in the registry, and make it the one that serves."""
    from adsrank.models.registry import Registry

    published = Registry(registry).publish(path, admission(allow_miscalibrated, max_ms, tolerance))
    _say_current(published, as_json)


@app.command(epilog="Example: adsrank bundle rollback runs/registry")
def rollback(
    registry: RegistryFolder,
    to: Annotated[str | None, typer.Option(help="Id of the bundle; default: the one before.")] = None,
    allow_miscalibrated: Miscalibrated = False,
    max_ms: MaxMs = None,
    tolerance: Tolerance = None,
    as_json: Json = False,
) -> None:
    """Go back to the bundle that served before."""
    from adsrank.models.registry import Registry

    current = Registry(registry).rollback(to, admission(allow_miscalibrated, max_ms, tolerance))
    _say_current(current, as_json)


@app.command(name="list", epilog="Example: adsrank bundle list runs/registry")
def listed(registry: RegistryFolder, as_json: Json = False) -> None:
    """The bundles of a registry, oldest first."""
    from adsrank.models.registry import Registry

    known = Registry(registry)
    pointer = known.pointer
    rows: list[dict[str, Any]] = [
        {
            "id": manifest.id,
            "current": pointer is not None and pointer.current == manifest.id,
            "before": pointer is not None and manifest.id in pointer.before,
            "rows": manifest.data.rows,
            "last": manifest.data.last,
            "p_click_pcoc": manifest.held_out["click"].pcoc,
        }
        for manifest in known.manifests()
    ]
    if as_json:
        emit_json(rows)
        return
    table(
        f"registry {registry}",
        ["bundle", "serves", "rows", "last row", "click PCOC"],
        [
            (
                row["id"],
                "yes" if row["current"] else "before" if row["before"] else "",
                f"{row['rows']:,}",
                row["last"],
                number(row["p_click_pcoc"]),
            )
            for row in rows
        ],
    )


def admission(allow_miscalibrated: bool, max_ms: float | None, tolerance: float | None) -> Any:
    """The checks as asked for. Raises InputError through the settings' own bounds."""
    from pydantic import ValidationError

    from adsrank.errors import InputError
    from adsrank.models.admission import Admission

    given = {"max_ms": max_ms, "tolerance": tolerance}
    try:
        return Admission(
            allow_miscalibrated=allow_miscalibrated,
            **{name: value for name, value in given.items() if value is not None},
        )
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        option = str(first["loc"][0]).replace("_", "-")
        raise InputError(f"--{option}", first["input"], first["msg"]) from None


def number(value: float | None) -> str:
    """Four digits, or a dash."""
    return "-" if value is None else f"{value:.4f}"


def cell(value: Any) -> str:
    """A value of any kind in a table."""
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _say_current(bundle_id: str, as_json: bool) -> None:
    if as_json:
        emit_json({"current": bundle_id})
    else:
        out.print(f"current: {bundle_id}")
