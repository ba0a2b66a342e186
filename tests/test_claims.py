"""Claims: held by one, refused to others, taken over from the dead and the silent; `test_artifacts.py` has jobs that meet."""

import json
import os
import time

from tigerlite import claims
from tigerlite.claims import claimed, owner_of, this_job


def test_one_job_holds_a_claim_until_its_work_is_done(tmp_path):
    claim = tmp_path / "x.claim"
    with claimed(claim) as mine, claimed(claim) as other:
        assert mine
        assert not other
        assert owner_of(claim) == this_job()
    assert not claim.exists()
    assert owner_of(claim) is None


def test_a_silent_owner_on_another_host_is_taken_over(tmp_path):
    claim = tmp_path / "fit-x.claim"
    claim.mkdir()
    owner = {"host": "elsewhere", "pid": 1, "parent": 1, "started": "1", "launch": "l"}
    (claim / "owner.json").write_text(json.dumps(owner))
    assert not claims._is_abandoned(claim)
    old = time.time() - claims.SILENT_SECONDS - 1
    os.utime(claim / "owner.json", (old, old))
    assert claims._is_abandoned(claim)


def test_a_machine_of_the_same_name_that_was_started_another_time_is_another_machine(tmp_path):
    claim = tmp_path / "x.claim"
    claim.mkdir()
    name, _, started = this_job()["host"].partition(":")
    (claim / "owner.json").write_text(json.dumps(this_job() | {"host": f"{name}:other{started}", "pid": 2**22 + 1}))
    assert not claims._is_abandoned(claim)  # no process of that number here, but it says nothing about a process there
    (claim / "owner.json").write_text(json.dumps(this_job() | {"pid": 2**22 + 1}))
    assert claims._is_abandoned(claim)


def test_a_live_claim_is_not_taken_away_with_the_dead_one_that_another_job_cleared(tmp_path, monkeypatch):
    claim, dead = tmp_path / "x.claim", this_job() | {"pid": 2**22 + 1}
    claim.mkdir()
    (claim / "owner.json").write_text(json.dumps(dead))
    # Between our look and our renaming another job clears the claim and makes its own.
    alive = this_job() | {"launch": "another"}
    rename = os.rename

    def late(source, target):
        monkeypatch.setattr(claims.os, "rename", rename)
        (claim / "owner.json").write_text(json.dumps(alive))
        rename(source, target)

    monkeypatch.setattr(claims.os, "rename", late)
    with claimed(claim) as mine:
        assert not mine
    assert owner_of(claim) == alive
    assert [path.name for path in tmp_path.iterdir()] == ["x.claim"]


def test_an_owner_that_was_taken_for_dead_leaves_the_claim_to_its_successor(tmp_path):
    claim, successor = tmp_path / "x.claim", this_job() | {"launch": "another"}
    with claimed(claim) as mine:
        assert mine
        (claim / "owner.json").write_text(json.dumps(successor))
    assert owner_of(claim) == successor


def test_half_an_owner_is_none_yet(tmp_path):
    claim = tmp_path / "x.claim"
    claim.mkdir()
    (claim / "owner.json").write_text('{"host": "el')
    assert owner_of(claim) is None
    assert not claims._is_abandoned(claim)
    with claimed(claim) as mine:
        assert not mine
