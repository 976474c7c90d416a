"""Guests at once are spread over the CPUs."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from deploy.lab.guest import uml


def test_a_guest_takes_a_cpu_that_no_other_one_has(tmp_path: Path) -> None:
    program = tmp_path / "lone-guest"
    shutil.copy(str(shutil.which("sleep")), program)
    cpus, running = os.sched_getaffinity(0), []
    try:
        for _ in cpus:
            running.append((uml.least_taken_cpu(program.name), subprocess.Popen([program, "60"])))
            os.sched_setaffinity(running[-1][1].pid, {running[-1][0]})
        assert {cpu for cpu, _ in running} == cpus
    finally:
        for _, process in running:
            process.kill()
            process.wait()
