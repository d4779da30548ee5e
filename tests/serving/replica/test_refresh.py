"""A bundle that changes under a running replica: taken over whole, or not at all."""

import shutil
from pathlib import Path

import pytest

from adsrank.catalog.store import Store, StoreError
from adsrank.errors import SpaceMismatch
from adsrank.models.bundle import Bundle
from adsrank.models.held_out import HeldOut
from adsrank.models.registry import Registry
from adsrank.request import AdRequest
from serving.assembly import open_runtime
from serving.settings import ServingSettings


@pytest.fixture
def runtime(settings):
    """Refreshed by hand."""
    runtime = open_runtime(settings.model_copy(update={"refresh_seconds": 600.0}))
    yield runtime
    runtime.close()


def renamed(source: Path, target: Path) -> str:
    """The bundle of `source` as another one: it says another training; returns its id."""
    bundle = Bundle.load(source, admission=None)
    manifest = bundle.manifest.model_copy(update={"training": "another"})
    manifest.__dict__.pop("id", None)
    parts = bundle.transform, bundle.network, bundle.probabilities, bundle.first_stage, bundle.sample
    return Bundle(manifest, *parts).save(target)


def put(bundle: Path, at: Path) -> None:
    """As a careful operator does: the old folder out of the way, the new one in its place."""
    shutil.rmtree(at)
    shutil.copytree(bundle, at)


def flipped(folder: Path) -> None:
    content = bytearray((folder / "weights.safetensors").read_bytes())
    content[-1] ^= 1
    (folder / "weights.safetensors").write_bytes(content)


def without_a_file(folder: Path) -> None:
    (folder / "first_stage.json").unlink()


def halved(folder: Path) -> None:
    content = (folder / "calibrators.json").read_bytes()
    (folder / "calibrators.json").write_bytes(content[: len(content) // 2])


def half_a_manifest(folder: Path) -> None:
    text = (folder / "manifest.json").read_text()
    (folder / "manifest.json").write_text(text[: len(text) // 2])


@pytest.mark.parametrize("harm", [flipped, without_a_file, halved, half_a_manifest])
def test_a_broken_bundle_never_serves_and_the_old_one_goes_on(runtime, settings, bodies, tmp_path, harm):
    before = runtime.engine.release
    request = AdRequest.model_validate(bodies[0])
    answered = runtime.engine.decide(request)
    renamed(settings.bundle_folder, tmp_path / "new")
    harm(tmp_path / "new")
    put(tmp_path / "new", settings.bundle_folder)
    assert not runtime.refresher.refresh()
    assert runtime.engine.release is before
    again = runtime.engine.decide(request)
    assert again.bundle_id == answered.bundle_id == before.bundle.id
    assert again.record.raw.keys() == answered.record.raw.keys()
    assert not runtime.refresher.refresh()  # looked at once, not every second


def test_a_sound_bundle_after_a_broken_one_is_taken_over(runtime, settings, tmp_path):
    fresh = renamed(settings.bundle_folder, tmp_path / "new")
    shutil.copytree(tmp_path / "new", tmp_path / "broken")
    flipped(tmp_path / "broken")
    put(tmp_path / "broken", settings.bundle_folder)
    assert not runtime.refresher.refresh()
    put(tmp_path / "new", settings.bundle_folder)
    assert runtime.refresher.refresh()
    assert runtime.engine.release.bundle.id == fresh


def test_a_copy_in_place_is_taken_over_once_its_last_file_is_there(runtime, settings, tmp_path):
    """As `cp` and `rsync` write: the manifest is there before the weights are whole."""
    fresh = renamed(settings.bundle_folder, tmp_path / "new")
    home = settings.bundle_folder
    content = (home / "weights.safetensors").read_bytes()
    (home / "weights.safetensors").write_bytes(content[:-100])
    shutil.copy(tmp_path / "new" / "manifest.json", home)
    assert not runtime.refresher.refresh()
    (home / "weights.safetensors").write_bytes(content)
    assert runtime.refresher.refresh()
    assert runtime.engine.release.bundle.id == fresh


def test_what_was_published_while_a_server_started_is_taken_over(settings, tmp_path, monkeypatch):
    fresh = renamed(settings.bundle_folder, tmp_path / "new")
    load = Store.load

    def meanwhile(self):
        put(tmp_path / "new", settings.bundle_folder)
        return load(self)

    with monkeypatch.context() as starting:
        starting.setattr(Store, "load", meanwhile)
        runtime = open_runtime(settings.model_copy(update={"refresh_seconds": 600.0}))
    try:
        assert runtime.engine.release.bundle.id != fresh
        assert runtime.refresher.refresh()
        assert runtime.engine.release.bundle.id == fresh
        assert not runtime.refresher.refresh()
    finally:
        runtime.close()


def test_what_changed_while_the_database_failed_is_taken_over_after(runtime, settings, tmp_path, monkeypatch):
    fresh = renamed(settings.bundle_folder, tmp_path / "new")
    put(tmp_path / "new", settings.bundle_folder)

    def fail(self):
        raise StoreError("the database does not answer")

    with monkeypatch.context() as broken:
        broken.setattr(Store, "load", fail)
        assert not runtime.refresher.refresh()
    assert runtime.refresher.refresh()
    assert runtime.engine.release.bundle.id == fresh


def test_a_bundle_of_another_space_is_not_taken_over(runtime, settings, tmp_path):
    bundle = Bundle.load(settings.bundle_folder, admission=None)
    manifest = bundle.manifest.model_copy(update={"embedding_space": "other-v9"})
    manifest.__dict__.pop("id", None)
    parts = bundle.transform, bundle.network, bundle.probabilities, bundle.first_stage, bundle.sample
    Bundle(manifest, *parts).save(tmp_path / "new")
    before = runtime.engine.release
    put(tmp_path / "new", settings.bundle_folder)
    assert not runtime.refresher.refresh()
    assert runtime.engine.release is before
    with pytest.raises(SpaceMismatch, match="other-v9"):  # nor is a server started on it
        open_runtime(settings)


def test_a_bundle_that_breaks_a_check_is_not_taken_over(runtime, settings, tmp_path):
    before = runtime.engine.release
    bundle = Bundle.load(settings.bundle_folder, admission=None)
    off = HeldOut(rows=9000, positives=700, pcoc=1.3, low=1.2, high=1.4)
    figures = bundle.manifest.held_out | {"click": off}
    manifest = bundle.manifest.model_copy(update={"held_out": figures})
    manifest.__dict__.pop("id", None)
    parts = bundle.transform, bundle.network, bundle.probabilities, bundle.first_stage, bundle.sample
    Bundle(manifest, *parts).save(tmp_path / "new")
    put(tmp_path / "new", settings.bundle_folder)
    assert not runtime.refresher.refresh()
    assert runtime.engine.release is before


def test_a_registry_is_followed_forward_and_back(settings: ServingSettings, tmp_path: Path):
    registry = Registry(tmp_path / "registry")
    lenient = settings.admission.model_copy(update={"allow_miscalibrated": True, "max_ms": 10_000.0})
    old = registry.publish(settings.bundle_folder, lenient)
    renamed(settings.bundle_folder, tmp_path / "new")
    served = settings.model_copy(
        update={"bundle": registry.path, "admission": lenient, "refresh_seconds": 600.0}
    )
    runtime = open_runtime(served)
    try:
        assert runtime.engine.release.bundle.id == old
        new = registry.publish(tmp_path / "new", lenient)
        assert runtime.refresher.refresh()
        assert runtime.engine.release.bundle.id == new != old
        registry.rollback(admission=lenient)
        assert runtime.refresher.refresh()
        assert runtime.engine.release.bundle.id == old
        (registry.path / "current.json").write_text("{")
        assert not runtime.refresher.refresh()
        assert runtime.engine.release.bundle.id == old
    finally:
        runtime.close()
