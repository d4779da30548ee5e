import json
import shutil

import pytest

from adsrank.errors import BundleError
from adsrank.models import pointer
from adsrank.models.admission import Admission
from adsrank.models.bundle import Bundle
from adsrank.models.pointer import resolve
from adsrank.models.registry import Registry


@pytest.fixture(scope="module")
def bundles(trained, tmp_path_factory):
    """Three folders of bundles that differ in what they say of their training."""
    folder = tmp_path_factory.mktemp("bundles")
    paths = []
    for name in ("a", "b", "c"):
        bundle = trained.bundle
        manifest = bundle.manifest.model_copy(update={"training": name})
        manifest.__dict__.pop("id", None)
        parts = bundle.transform, bundle.network, bundle.probabilities, bundle.first_stage, bundle.sample
        Bundle(manifest, *parts).save(folder / name)
        paths.append(folder / name)
    return paths


@pytest.fixture
def registry(tmp_path):
    return Registry(tmp_path / "registry")


def test_publish_and_roll_back(registry, bundles):
    a, b, c = (registry.publish(path) for path in bundles)
    assert len({a, b, c}) == 3
    assert Bundle.load(registry.path).id == c
    assert registry.rollback() == b
    assert Bundle.load(registry.path).id == b
    assert registry.rollback() == a
    with pytest.raises(BundleError, match="is the first"):
        registry.rollback()
    assert registry.rollback(to=c) == c
    assert registry.rollback() == a
    assert registry.ids() == [a, b, c]


def test_going_back_to_a_named_one_cuts_the_history_there(registry, bundles):
    a, _, _ = (registry.publish(path) for path in bundles)
    assert registry.rollback(to=a) == a
    assert registry.pointer.before == ()


def test_publishing_the_same_again_changes_nothing(registry, bundles):
    first = registry.publish(bundles[0])
    assert registry.publish(bundles[0]) == first
    assert registry.pointer.before == ()


def test_what_must_not_serve_is_not_published(registry, bundles, tmp_path):
    current = registry.publish(bundles[0])
    broken = shutil.copytree(bundles[1], tmp_path / "broken")
    (broken / "calibrators.json").write_text("{}")
    with pytest.raises(BundleError, match=r"calibrators\.json"):
        registry.publish(broken)
    with pytest.raises(BundleError, match="processor time"):
        registry.publish(bundles[1], Admission(max_ms=0.001))
    assert registry.pointer.current == current
    assert registry.ids() == [current]


def test_what_was_altered_in_the_registry_is_not_gone_back_to(registry, bundles):
    a, b, _ = (registry.publish(path) for path in bundles)
    (registry.path / b / "calibrators.json").write_text("{}")
    with pytest.raises(BundleError, match=r"calibrators\.json"):
        registry.rollback()
    with pytest.raises(BundleError, match=r"calibrators\.json"):
        registry.publish(bundles[1])
    assert registry.rollback(to=a) == a


def test_a_bundle_under_another_ones_name_is_refused(registry, bundles):
    a, _, c = (registry.publish(path) for path in bundles)
    shutil.rmtree(registry.path / c)
    shutil.copytree(registry.path / a, registry.path / c)
    with pytest.raises(BundleError, match=f"holds bundle {a}"):
        Bundle.load(registry.path)


@pytest.mark.parametrize(
    "text",
    [
        '{"current": "../../../../etc"}',
        '{"current": "0123456789abcdef", "before": ["/etc"]}',
        '{"current": "0123456789abcdef", "current": "0123456789abcdee"}',
        '{"current": "0123456789abcdef", "run": "x"}',
        "[]",
        "",
    ],
)
def test_a_hostile_pointer_leads_nowhere(registry, bundles, text):
    registry.publish(bundles[0])
    (registry.path / "current.json").write_text(text)
    with pytest.raises(BundleError, match=r"current\.json"):
        Bundle.load(registry.path)
    with pytest.raises(BundleError, match=r"current\.json"):
        registry.rollback()


def test_a_pointer_that_is_a_link_is_not_followed(registry, bundles, tmp_path):
    registry.publish(bundles[0])
    pointer = registry.path / "current.json"
    pointer.rename(tmp_path / "elsewhere.json")
    pointer.symlink_to(tmp_path / "elsewhere.json")
    with pytest.raises(BundleError, match="plain file"):
        resolve(registry.path)


def test_nothing_published_is_nothing_to_go_back_to(registry, bundles):
    for ask in (registry.rollback, registry.manifests):
        with pytest.raises(BundleError, match="nothing was published"):
            ask()
    assert not registry.path.exists()
    registry.publish(bundles[0])
    with pytest.raises(BundleError, match="no bundle '\\.\\./x'"):
        registry.rollback(to="../x")


def test_a_pointer_that_finds_no_room_leaves_the_one_before(registry, bundles, monkeypatch):
    a, b, _ = (registry.publish(path) for path in bundles)

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pointer.os, "fsync", fail)
    with pytest.raises(BundleError, match=r"current\.json: cannot be written: No space left"):
        registry.rollback(to=b)
    assert registry.pointer.before == (a, b)
    assert {each.name for each in registry.path.iterdir() if each.is_file()} == {".lock", "current.json"}


def test_the_pointer_is_one_plain_file(registry, bundles):
    published = registry.publish(bundles[0])
    assert json.loads((registry.path / "current.json").read_text()) == {"current": published, "before": []}
    assert resolve(registry.path) == registry.path / published
    assert resolve(bundles[0]) == bundles[0]
