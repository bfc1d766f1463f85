"""A foreign program: the sandbox creates and destroys it without our program."""

import os
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from sandbox.cloud.store import Cloud
from sandbox.home import ROOT

PROGRAM = Path(__file__).parent / "foreign"
TYPES = {
    "aws:ec2/vpc:Vpc": 1,
    "aws:ec2/internetGateway:InternetGateway": 1,
    "aws:ec2/routeTable:RouteTable": 1,
    "aws:ec2/subnet:Subnet": 2,
    "aws:ec2/routeTableAssociation:RouteTableAssociation": 2,
    "aws:ec2/securityGroup:SecurityGroup": 1,
    "aws:iam/role:Role": 1,
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": 1,
    "aws:cloudwatch/logGroup:LogGroup": 1,
    "aws:ecs/taskDefinition:TaskDefinition": 1,
    "aws:ecs/cluster:Cluster": 1,
    "aws:ecs/service:Service": 1,
}


def sandbox(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [ROOT / "bin" / "sandbox", *args, "--stack", "dev"],
        cwd=folder,
        env={
            **{name: text for name, text in os.environ.items() if name != "SANDBOX_TARGET"},
            "SANDBOX_HOME": str(folder / "home"),
            "SANDBOX_PROGRAM": str(folder / "program"),
        },
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(PROGRAM, tmp_path / "program")
    return tmp_path


@pytest.mark.engine
def test_a_foreign_program_is_created_kept_and_destroyed(folder: Path):
    for args in (["up", "--skip-preview", "--yes"], ["preview", "--expect-no-changes"]):
        done = sandbox(folder, *args)
        assert done.returncode == 0, f"{args}: {done.stdout}\n{done.stderr}"
    cloud = Cloud(folder / "home" / "cloud.sqlite")
    assert Counter(stored.type for stored in cloud.list()) == TYPES
    done = sandbox(folder, "destroy", "--yes")
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert cloud.list() == []


@pytest.mark.engine
def test_an_invalid_foreign_program_fails_before_anything_is_created(folder: Path):
    program = folder / "program" / "__main__.py"
    program.write_text(program.read_text().replace('memory="512"', 'memory="4096"'))
    done = sandbox(folder, "up", "--skip-preview", "--yes")
    assert done.returncode != 0
    assert "aws:ecs/taskDefinition:TaskDefinition" in done.stdout + done.stderr
    types = {stored.type for stored in Cloud(folder / "home" / "cloud.sqlite").list()}
    assert not types & {"aws:ecs/taskDefinition:TaskDefinition", "aws:ecs/service:Service"}
