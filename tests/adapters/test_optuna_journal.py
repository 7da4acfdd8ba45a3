"""A journal file stays whole where writers are killed, disks are full or become read-only."""

import errno

import pytest

optuna = pytest.importorskip("optuna")

from cellwright.adapters.optuna_storage import open_storage  # noqa: E402


def study_in(path):
    return optuna.create_study(storage=open_storage(str(path)), study_name="s", load_if_exists=True)


def add_a_hundred(study):
    for _ in range(100):
        study.add_trial(optuna.trial.create_trial(value=2.0))


@pytest.mark.parametrize("left", [b"{", b'{"op_co', b'{"op_code":4,"worker_id":"' + b"x" * 200_000])
def test_a_line_that_was_not_written_to_its_end_is_cut_off_before_the_next_one(tmp_path, left):
    path = tmp_path / "journal"
    study = study_in(path)
    study.add_trial(optuna.trial.create_trial(value=1.0))
    with path.open("ab") as file:
        file.write(left)
    study.add_trial(optuna.trial.create_trial(value=2.0))  # the same process, or another one
    study_in(path).add_trial(optuna.trial.create_trial(value=3.0))
    assert [trial.value for trial in study_in(path).trials] == [1.0, 2.0, 3.0]


def test_what_is_no_line_of_optuna_is_left_alone(tmp_path):
    path = tmp_path / "journal"
    path.write_bytes(b"a text of somebody")
    with pytest.raises(Exception):  # noqa: B017  # Optuna shows damage in many types
        study_in(path).add_trial(optuna.trial.create_trial(value=1.0))
    assert path.read_bytes().startswith(b"a text of somebody")


def test_a_disk_that_is_full_leaves_a_journal_that_can_be_read_and_written(disk):
    path = disk.place / "journal"
    study = study_in(path)
    study.add_trial(optuna.trial.create_trial(value=1.0))
    disk.fill()
    with pytest.raises(OSError, match="No space left"):
        add_a_hundred(study)  # until the page of the journal's last line is full, too
    assert not path.read_bytes().endswith(b"\n")
    kept = len(optuna.load_study(study_name="s", storage=open_storage(str(path))).trials)
    disk.empty()
    study_in(path).add_trial(optuna.trial.create_trial(value=3.0))
    values = [trial.value for trial in study_in(path).trials]
    assert (len(values), values[-1]) == (kept + 1, 3.0)


def test_a_disk_that_became_read_only_is_named_and_not_waited_for(disk):
    path = disk.place / "journal"
    study = study_in(path)
    path.with_name("journal.lock").symlink_to(path)  # whose owner cannot remove it any more
    disk.lock()
    with pytest.raises(OSError, match="Read-only file system") as caught:
        study.add_trial(optuna.trial.create_trial(value=1.0))
    assert (caught.value.errno, caught.value.filename) == (errno.EROFS, str(path))
