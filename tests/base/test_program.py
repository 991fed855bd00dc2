"""What all programs have in common, and what importing them may load."""

import subprocess
import sys

import pytest

from tests.tools.programs import run

PROGRAMS = [
    "parse_folder",
    "parse_textfile",
    "extract_archive",
    "create_db",
    "resize_image",
    "download_data",
]


@pytest.mark.parametrize("program", PROGRAMS)
def test_each_program_has_help_and_refuses_what_it_does_not_know(program):
    finished = run(program, "--no-such-option")
    assert finished.status == 2
    assert f"usage: python -m digits.tools.{program}" in finished.log
    command = [sys.executable, "-m", f"digits.tools.{program}", "--help"]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert f"python -m digits.tools.{program}" in text.split("options:")[0]


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [
        ("digits.base.progress", ["numpy", "PIL", "requests", "torch"]),
        ("digits.sources.picture_list", ["numpy", "PIL", "requests", "torch"]),
        ("digits.images", ["torch", "cv2", "numba", "google.protobuf"]),
        ("digits.tools.create_db", ["torch", "cv2", "numba", "flask"]),
    ],
)
def test_modules_that_others_import_stay_light(module, unwanted):
    code = f"import sys, {module}; print([name for name in {unwanted} if name in sys.modules])"
    result = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )
    assert result.stdout.strip() == "[]"


def test_a_program_can_end_with_the_process_that_started_it(tmp_path):
    """What a killed server was waiting for wrote on into a folder that the next one removed."""
    waits = (
        "import sys, time; from digits.base.program import end_with; "
        "end_with(int(sys.argv[1])); print('there', flush=True); time.sleep(600)"
    )
    starts = (
        "import os, subprocess, sys; "
        f"subprocess.run([sys.executable, '-c', {waits!r}, str(os.getpid())])"
    )
    parent = subprocess.Popen([sys.executable, "-c", starts], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    with parent.stdout:
        assert parent.stdout.readline() == b"there\n"
        parent.kill()
        parent.wait()
        # Its end of the pipe closes when the last of the two has ended.
        assert parent.stdout.read() == b""
    orphan = subprocess.run([sys.executable, "-c", waits, "1"], capture_output=True, check=False)
    assert orphan.returncode == 1
