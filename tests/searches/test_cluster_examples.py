"""The files of `examples/cluster` are what Slurm and Kubernetes take, and their commands search."""

import csv
import os
import re
import stat
import subprocess
import sys
import time
import uuid
from contextlib import suppress
from pathlib import Path

import pytest
import yaml

EXAMPLES = Path(__file__).parents[2] / "examples" / "cluster"
SCRIPT, MANIFEST = EXAMPLES / "slurm.sh", EXAMPLES / "kubernetes.yaml"
POSTGRESQL = os.environ.get(
    "CELLWRIGHT_TEST_POSTGRESQL", "postgresql://postgres@127.0.0.1:5432/test"
)
TRIALS, SECONDS = 4, 800  # of a search, and that it may take on a machine that is busy
SEARCH = ["--space", "mlp", "--data", "wine", "--strategy", "random", "--seed", "0", "--epochs",
          "1", "--trials", str(TRIALS)]  # fmt: skip


@pytest.fixture
def environment(tmp_path):
    """Where `cellwright` is this checkout's, and the storage a database; skips without one."""
    psycopg2 = pytest.importorskip("psycopg2")
    plain = POSTGRESQL.replace("+psycopg2", "")
    try:
        psycopg2.connect(plain, connect_timeout=3).close()
    except psycopg2.OperationalError as error:
        pytest.skip(f"no PostgreSQL at CELLWRIGHT_TEST_POSTGRESQL: {error}")
    program = tmp_path / "bin" / "cellwright"
    program.parent.mkdir()
    code = "from cellwright.command_line.app import main; main()"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{code}" "$@"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    path = os.pathsep.join([str(program.parent), os.environ["PATH"]])
    return {**os.environ, "PATH": path, "CELLWRIGHT_STORAGE": plain, "MPLCONFIGDIR": str(tmp_path)}


def delete(study):
    import optuna

    from cellwright.adapters.optuna_storage import open_storage

    optuna.delete_study(study_name=study, storage=open_storage(POSTGRESQL))


def finish(processes):
    """Wait for all; whatever they printed is shown if one fails, or does not end."""
    end = time.monotonic() + SECONDS
    for process in processes:
        with suppress(subprocess.TimeoutExpired):
            process.wait(max(0, end - time.monotonic()))
    late = [process for process in processes if process.poll() is None]
    for process in late:
        process.kill()
    printed = "\n".join(process.communicate()[0] for process in processes)
    assert not late, f"{len(late)} had not ended after {SECONDS} seconds:\n{printed}"
    assert all(process.returncode == 0 for process in processes), printed


def start(command, environment, cwd):
    return subprocess.Popen(
        command, env=environment, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True,
    )  # fmt: skip


def numbers_in(table):
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [int(row["trial"]) for row in rows if row["state"] == "complete"]


def test_the_script_is_bash_and_its_directives_stand_before_the_first_command():
    subprocess.run(["bash", "-n", str(SCRIPT)], check=True)
    lines = SCRIPT.read_text().splitlines()
    first = next(n for n, line in enumerate(lines) if line and not line.startswith("#"))
    directives = [n for n, line in enumerate(lines) if line.startswith("#SBATCH")]
    assert max(directives) < first  # Slurm reads none behind it
    assert all(re.match(r"#SBATCH --[a-z-]+=\S+$", lines[n]) for n in directives)


@pytest.mark.parametrize("missing", ["CELLWRIGHT_STORAGE", "SLURM_ARRAY_TASK_ID"])
def test_what_the_script_lacks_is_named(missing):
    given = {"CELLWRIGHT_STORAGE": "x", "SLURM_ARRAY_TASK_ID": "0", "PATH": os.environ["PATH"]}
    del given[missing]
    done = subprocess.run(["bash", str(SCRIPT)], env=given, capture_output=True, text=True)
    assert done.returncode != 0
    assert missing in done.stderr


@pytest.mark.slow
@pytest.mark.timeout(SECONDS + 200)
def test_two_tasks_of_the_array_are_one_search(environment, tmp_path):
    study = f"slurm-{uuid.uuid4().hex[:12]}"
    slurm = {"STUDY": study, "SLURM_JOB_NAME": "cellwright", "SLURM_CPUS_PER_TASK": "1"}
    tasks = [
        start(["bash", str(SCRIPT), *SEARCH],
              {**environment, **slurm, "SLURM_ARRAY_TASK_ID": str(task)}, tmp_path)
        for task in range(2)
    ]  # fmt: skip
    try:
        finish(tasks)
        tables = [numbers_in(tmp_path / "runs" / study / str(n) / "trials.csv") for n in range(2)]
        assert tables[0] == tables[1]
        assert (
            TRIALS <= len(tables[0]) <= TRIALS + 1
        )  # workers that begin the last one together make one more
    finally:
        delete(study)


def documents():
    return list(yaml.safe_load_all(MANIFEST.read_text()))


def test_the_manifest_is_of_its_schema():
    validator = pytest.importorskip("kubernetes_validate")
    newest = validator.latest_version()
    for document in documents():
        validator.validate(document, newest, strict=True)
    broken = documents()[1]
    broken["spec"]["parallelism"] = "eight"
    with pytest.raises(validator.ValidationError):
        validator.validate(broken, newest, strict=True)


def test_the_parts_of_the_manifest_name_each_other():
    claim, job = documents()
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert [v["persistentVolumeClaim"]["claimName"] for v in pod["volumes"]] == [
        claim["metadata"]["name"]
    ]
    (mount,) = container["volumeMounts"]
    assert mount["name"] == pod["volumes"][0]["name"]
    assert any(arg.startswith(f"--out={mount['mountPath']}/") for arg in container["args"])
    used = {n for arg in container["args"] for n in re.findall(r"\$\((\w+)\)", arg)}
    assert used <= {variable["name"] for variable in container["env"]}
    assert "CELLWRIGHT_STORAGE" in {variable["name"] for variable in container["env"]}
    assert "completions" not in job["spec"]


@pytest.mark.slow
@pytest.mark.timeout(SECONDS + 200)
def test_two_pods_are_one_search(environment, tmp_path):
    _, job = documents()
    (container,) = job["spec"]["template"]["spec"]["containers"]
    study, pods = f"pods-{uuid.uuid4().hex[:12]}", []
    for name in ("a", "b"):
        command = [
            part.replace("$(POD_NAME)", name).replace("/shared", str(tmp_path))
            for part in (*container["command"], *container["args"])
        ]
        command = [part.replace("--study=wine", f"--study={study}") for part in command]
        command = [part.replace("--trials=500", f"--trials={TRIALS}") for part in command]
        command = [part.replace("--epochs=5", "--epochs=1") for part in command]
        pods.append(start(command, environment, tmp_path))
    try:
        finish(pods)
        tables = [numbers_in(tmp_path / "wine" / name / "trials.csv") for name in ("a", "b")]
        assert tables[0] == tables[1]
        assert TRIALS <= len(tables[0]) <= TRIALS + 1
    finally:
        delete(study)


def test_nni_takes_the_remote_training_service(tmp_path):
    pytest.importorskip("nni")
    from nni.experiment.config import ExperimentConfig

    theirs = EXAMPLES.parent / "nni"
    config = yaml.safe_load((theirs / "config.yml").read_text())
    config |= yaml.safe_load((EXAMPLES / "nni_remote.yml").read_text())
    (tmp_path / "key").touch()
    for machine in config["trainingService"]["machineList"]:
        machine["sshKeyFile"] = str(tmp_path / "key")
    for name in ("trial.py", "search_space.json"):
        (tmp_path / name).write_bytes((theirs / name).read_bytes())
    (tmp_path / "config.yml").write_text(yaml.safe_dump(config))
    loaded = ExperimentConfig.load(tmp_path / "config.yml")
    loaded.validate()
    hosts = [machine.host for machine in loaded.canonical_copy().training_service.machine_list]
    assert hosts == ["node1", "node2"]
