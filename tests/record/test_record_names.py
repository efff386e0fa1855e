"""Digests and seeds: names that depend on what they name, and on nothing else."""

from __future__ import annotations

import hashlib
import itertools
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainwright.record import digests
from trainwright.record.seeds import rng_for, seed_for

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(st.characters(exclude_categories=("Cs",))),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(exclude_categories=("Cs",))), inner, max_size=4),
    max_leaves=12,
)


def shuffled(value: object) -> object:
    """The same JSON with every mapping in the opposite order."""
    if isinstance(value, dict):
        return {key: shuffled(value[key]) for key in reversed(value)}
    return [shuffled(inner) for inner in value] if isinstance(value, list) else value


@settings(deadline=None, derandomize=True)
@given(values)
def test_canonical_is_one_form_and_loses_nothing(value: object) -> None:
    form = digests.canonical(value)
    assert digests.canonical(shuffled(value)) == form
    assert digests.canonical(json.loads(form)) == form
    assert json.loads(form) == value
    assert digests.digest_json(value) == hashlib.sha256(form).hexdigest()


def test_canonical_by_hand() -> None:
    assert digests.canonical({"b": [1, 2.0, None, True], "ä": "ß", "a": {}}) == '{"a":{},"b":[1,2.0,null,true],"ä":"ß"}'.encode()
    assert digests.canonical({2: 0, 10: 1}) == b'{"10":1,"2":0}'
    assert digests.canonical((1, 2)) == digests.canonical([1, 2])


@pytest.mark.parametrize("value", [float("nan"), [float("-inf")], object(), np.float64("nan"), {1, 2}, b"x", {(1, 2): 3}, {1: 2, "1": 3}, "\ud800"])
def test_canonical_refuses_what_json_cannot_carry(value: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        digests.canonical(value)


def test_file_digests_are_those_of_sha256(tmp_path: Path, rng: np.random.Generator) -> None:
    for size in (0, 1, digests.CHUNK - 1, digests.CHUNK, 2 * digests.CHUNK + 7):
        data = rng.bytes(size)
        (tmp_path / "f").write_bytes(data)
        assert digests.digest_file(tmp_path / "f") == hashlib.sha256(data).hexdigest() == digests.digest_bytes(memoryview(data))


def test_a_set_of_files_has_one_digest_whatever_the_order() -> None:
    one = {"a": "1", "b": "2"}
    assert digests.digest_files(one) == digests.digest_files(dict(reversed(one.items())))
    assert len({digests.digest_files(other) for other in (one, {"a": "2", "b": "1"}, {"a": "1"}, {"ab": "12"}, {})}) == 5


def test_streams_of_different_keys_differ() -> None:
    """Also where numpy's own seeding by a list would pad with zeros: [seed, 7] and [seed, 7, 0] are one stream there."""
    parts: tuple[str | int, ...] = (0, 1, 2**32, "0", "", "fold", "candidate")
    keys = [key for length in range(4) for key in itertools.product(parts, repeat=length)]
    drawn = {(seed, key): int(rng_for(seed, *key).integers(2**63)) for key in keys for seed in (0, 1, 2**32, 2**32 + 1, 2**64)}
    assert len(set(drawn.values())) == len(drawn) == 5 * (1 + 7 + 49 + 343)
    assert np.random.default_rng([1, 7]).integers(2**63) == np.random.default_rng([1, 7, 0]).integers(2**63)  # why a digest


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.integers(0, 2**70), st.lists(st.text(st.characters(exclude_categories=("Cs",))) | st.integers(), max_size=4))
def test_a_stream_depends_on_its_name_alone(seed: int, key: list[str | int]) -> None:
    first = rng_for(seed, *key)
    rng_for(seed, *key, "other").normal(size=10)
    again = rng_for(seed, *key)
    assert first is not again
    np.testing.assert_array_equal(first.normal(size=5), again.normal(size=5))
    assert 0 <= seed_for(seed, *key) < 2**31


def test_streams_are_the_same_in_every_process_and_version() -> None:
    script = "from trainwright.record.seeds import seed_for; print(seed_for(0, 'candidate', 3), seed_for(7))"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert (
        ran.stdout.split() == [str(seed_for(0, "candidate", 3)), str(seed_for(7))] == ["1105323399", "1103407456"]
    )  # stored: changing them changes every run


def test_neighbouring_streams_are_not_correlated() -> None:
    draws = np.stack([rng_for(0, "fold", number).normal(size=2000) for number in range(12)])
    off = np.corrcoef(draws)[np.triu_indices(12, 1)]
    assert np.abs(off).max() < 4.5 / np.sqrt(2000)


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(ValueError, match="non-negative"):
        rng_for(-1, "fold")
