"""What a failed training says, from the logs of real Caffe runs and of broken ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from digits.caffe.formats.training_log import LogParser
from digits.model.training.failure import DIVERGED, explain
from digits.model.training.history import History

PREFIX = "F1123 09:30:58.908643 30581 common.cpp:66] "


def explained(tmp_path: Path, text: str, exit_status: int | None = 134) -> str:
    log = tmp_path / "caffe_output.log"
    log.write_text(text)
    history, parser = History(), LogParser()
    for line in text.splitlines():
        if event := parser.parse(line.encode()):
            history.add(event)
    return explain(history, log, exit_status)


@pytest.mark.parametrize(
    ("message", "reason", "cure"),
    [
        (
            "Check failed: fd != -1 (-1 vs. -1) File not found: mean.binaryproto",
            "File not found: mean.binaryproto.",
            "",
        ),
        (
            "Check failed: error == cudaSuccess (2 vs. 0)  out of memory",
            "out of memory.",
            "Choose a smaller batch size",
        ),
        (
            "Cannot copy param 0 weights from layer 'ip1'; shape mismatch.  Source param shape is "
            "16 200 (3200).",
            "Cannot copy param 0 weights",
            "Rename that layer",
        ),
        (
            "Check failed: registry.count(type) == 1 (0 vs. 1) Unknown layer type: Tanh (known "
            "types: TanH)",
            "Unknown layer type: Tanh",
            "",
        ),
        (
            "Check failed: outer_num_ * inner_num_ == bottom[1]->count() (16 vs. 6912) Number of "
            "labels must match number of predictions",
            "Number of labels must match number of predictions.",
            "",
        ),
        (
            "Check failed: this->param_.gamma() >= 0 (-0.113636 vs. 0)",
            "Check failed: this->param_.gamma() >= 0 (-0.113636 vs. 0).",
            "Choose another learning-rate policy",
        ),
        ("the loss is nan at iteration 7", "the loss is nan at iteration 7.", DIVERGED),
    ],
)
def test_a_fatal_check_is_said_without_its_c_plus_plus(
    tmp_path: Path, message: str, reason: str, cure: str
) -> None:
    text = explained(
        tmp_path, f"{PREFIX}{message}\n*** Check failure stack trace: ***\n    @ 0x7\n"
    )
    assert text.startswith(f"The training failed: {reason.rstrip('.')}")
    assert cure in text
    assert text.count("Check failed") == reason.count("Check failed")


def test_the_place_of_a_syntax_error_is_told(tmp_path: Path) -> None:
    text = explained(
        tmp_path,
        "[libprotobuf ERROR google/protobuf/text_format.cc:309] Error parsing text-format "
        "caffe.NetParameter: 25:34: no field named x.\n"
        f"{PREFIX}Check failed: ReadProtoFromTextFile(param_file, param) Failed to parse "
        "NetParameter file: net.prototxt\n",
    )
    assert "Failed to parse NetParameter file: net.prototxt" in text
    assert "25:34: no field named x" in text


@pytest.mark.parametrize(
    ("name", "cure"),
    [
        ("lr_warmup", "Choose a warm-up of 0"),
        ("label_smoothing", "Leave both out"),
        ("class_weight", "Leave both out"),
    ],
)
def test_a_real_caffe_that_finds_a_field_of_ours_is_explained(
    tmp_path: Path, name: str, cure: str
) -> None:
    text = explained(
        tmp_path,
        "[libprotobuf ERROR google/protobuf/text_format.cc:309] Error parsing text-format "
        'caffe.SolverParameter: 7:10: Message type "caffe.SolverParameter" has no field named '
        f'"{name}".\n'
        f"{PREFIX}Check failed: ReadProtoFromTextFile(param_file, param) Failed to parse "
        "SolverParameter file: solver.prototxt\n",
    )
    assert "7:10" in text
    assert cure in text


def test_our_programs_own_line_is_taken_as_it_stands(tmp_path: Path) -> None:
    text = explained(tmp_path, "Error: solver.prototxt:3:1: there is no field 'x'.\n", 1)
    assert text == "The training failed: solver.prototxt:3:1: there is no field 'x'."


def test_a_diverged_training_that_crashes_at_its_end_says_that_it_diverged(tmp_path: Path) -> None:
    line = "I1123 09:30:58.908643 30581 solver.cpp:239] Iteration 8, loss = -nan\n"
    assert explained(tmp_path, line + "*** SIGABRT ***\n") == DIVERGED


def test_a_process_that_was_killed_says_so(tmp_path: Path) -> None:
    text = explained(tmp_path, "I1123 09:30:58.908643 30581 x.cpp:66] Iteration 3, lr = 1\n", 137)
    assert "SIGKILL" in text
    assert "Iteration 3" in text


def test_an_empty_log_is_no_problem(tmp_path: Path) -> None:
    assert "exit status 1" in explained(tmp_path, "", 1)
