"""The sealed rows are opened for one model only, and each opening is on record before it happens."""

from __future__ import annotations

import pytest

from trainwright.errors import CheckFailed
from trainwright.evidence.opening import open_sealed
from trainwright.record.log import Log


def test_one_model_may_look_again_another_may_not(tmp_path):
    with Log(tmp_path) as log:
        open_sealed(log, "sha256:one")
    with Log(tmp_path) as log:
        open_sealed(log, "sha256:one")  # after a crash
        assert [event.what["again"] for event in log.all("sealed opened")] == [False, True]
        with pytest.raises(CheckFailed) as refused:
            open_sealed(log, "sha256:two")
        assert refused.value.code == "TW081"
        assert len(list(log.all("sealed opened"))) == 2
