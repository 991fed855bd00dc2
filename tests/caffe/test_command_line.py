"""`python -m digits.caffe` in a process of its own: exit status, signals, files, terminals."""

from __future__ import annotations

import itertools
import os
import pty
import re
import signal
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from digits.caffe.__main__ import main
from digits.caffe.commands.flags import HELP, Flags, command_line, parse
from digits.caffe.commands.programs import PROGRAMS
from digits.caffe.data import db
from digits.caffe.layers.base import Phase
from digits.caffe.machine.gflags import UsageError
from digits.caffe.net import Net
from digits.caffe.solving.snapshots.state_file import read_state
from tests.conftest import wait_until

pytestmark = pytest.mark.apart

NET = """\
name: "tiny"
layer { name: "data" type: "DummyData" top: "data" top: "label" dummy_data_param {
  shape { dim: 4 dim: 3 } shape { dim: 4 } data_filler { type: "gaussian" std: 1 }
  data_filler { value: 1 } } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
  inner_product_param { num_output: 5 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
"""
SOLVER = """\
net: "net.prototxt"
base_lr: 0.01
lr_policy: "fixed"
momentum: 0.9
display: 100
max_iter: 10000000
snapshot_prefix: "snap"
"""
ELAPSED = r"I\d{4} [\d:.]+ +\d+ solver.cpp:\d+\] Elapsed: (\d+\.\d{3}) s"
MAIN = [sys.executable, "-m", "digits.caffe"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "net.prototxt").write_text(NET)
    (tmp_path / "solver.prototxt").write_text(SOLVER)
    return tmp_path


class Training:
    """A training that goes on until something ends it, with its log in a file."""

    def __init__(self, folder: Path, *flags: str) -> None:
        self.log = folder / "train.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*MAIN, "train", "--solver=solver.prototxt", *flags],
                cwd=folder,
                stderr=log,
                env=os.environ | {"OMP_NUM_THREADS": "1"},
            )

    def says(self, words: str) -> bool:
        assert self.process.poll() is None or words in self.text(), self.text()
        return words in self.text()

    def text(self) -> str:
        return self.log.read_text()

    def wait_for(self, words: str) -> None:
        wait_until(lambda: self.says(words))


@pytest.fixture
def train(folder: Path) -> Iterator[type[Training]]:
    started: list[Training] = []

    def start(*flags: str) -> Training:
        started.append(Training(folder, *flags))
        return started[-1]

    yield start  # type: ignore[misc]
    for training in started:
        if training.process.poll() is None:
            training.process.kill()
        training.process.wait()


def iterations_of(folder: Path) -> list[int]:
    return sorted(
        int(path.stem.rsplit("_", 1)[1]) for path in folder.glob("snap_iter_*.solverstate")
    )


@pytest.mark.slow
def test_sigint_stops_with_a_snapshot_and_status_0(folder: Path, train: type[Training]) -> None:
    training = train()
    training.wait_for("Iteration 100 ")
    training.process.send_signal(signal.SIGINT)
    assert training.process.wait(60) == 0
    end = training.text().splitlines()[-4:]
    (iteration,) = iterations_of(folder)
    assert [line.split("] ", 1)[1] for line in end] == [
        f"Snapshotting to binary proto file snap_iter_{iteration}.caffemodel",
        f"Snapshotting solver state to binary proto file snap_iter_{iteration}.solverstate",
        "Optimization stopped early.",
        "Optimization Done.",
    ]


@pytest.mark.slow
def test_sighup_takes_a_snapshot_and_goes_on(folder: Path, train: type[Training]) -> None:
    training = train()
    training.wait_for("Iteration 100 ")
    training.process.send_signal(signal.SIGHUP)
    training.wait_for("Snapshotting solver state")
    shown = training.text().count("iter/s")
    wait_until(lambda: training.text().count("iter/s") > shown + 1)
    assert len(iterations_of(folder)) == 1


@pytest.mark.slow
def test_the_effects_of_signals_can_be_exchanged(folder: Path, train: type[Training]) -> None:
    training = train("--sigint_effect=snapshot", "--sighup_effect=stop")
    training.wait_for("Iteration 100 ")
    training.process.send_signal(signal.SIGINT)
    training.wait_for("Snapshotting solver state")
    training.process.send_signal(signal.SIGHUP)
    assert training.process.wait(60) == 0
    assert "Optimization stopped early." in training.text()
    assert len(iterations_of(folder)) == 2


@pytest.mark.slow
def test_a_signal_without_effect_is_ignored(folder: Path, train: type[Training]) -> None:
    training = train("--sigint_effect=none", "--sighup_effect=none")
    training.wait_for("Iteration 100 ")
    training.process.send_signal(signal.SIGINT)
    training.process.send_signal(signal.SIGHUP)
    shown = training.text().count("iter/s")
    wait_until(lambda: training.text().count("iter/s") > shown + 1)
    assert not iterations_of(folder)


@pytest.mark.slow
def test_sigterm_ends_at_once_by_that_signal_and_leaves_whole_files_only(
    folder: Path, train: type[Training]
) -> None:
    with (folder / "solver.prototxt").open("a") as file:
        file.write("snapshot: 1\n")
    training = train()
    wait_until(lambda: len(iterations_of(folder)) > 20)
    training.process.send_signal(signal.SIGTERM)
    assert training.process.wait(60) == -signal.SIGTERM
    assert "Ended by SIGTERM" in training.text()
    assert not list(folder.glob(".*.part"))
    for iteration in iterations_of(folder):
        state = read_state(str(folder / f"snap_iter_{iteration}.solverstate"))
        assert state.iteration == iteration
        assert (folder / state.learned_net).stat().st_size > 0


@pytest.mark.slow
def test_every_line_is_in_the_file_at_once(train: type[Training]) -> None:
    training = train()
    training.wait_for("Starting Optimization")
    training.wait_for("Iteration 0 ")
    assert training.process.poll() is None


@pytest.mark.slow
def test_a_folder_that_cannot_be_written_is_found_before_the_training(folder: Path) -> None:
    text = SOLVER.replace('"snap"', '"gone/snap"') + "snapshot: 10"
    (folder / "solver.prototxt").write_text(text)
    done = run(folder, "train", "--solver=solver.prototxt")
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("F")
    assert "Cannot write to snapshot prefix 'gone/snap'" in last


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*MAIN, *arguments], cwd=folder, capture_output=True, text=True)


def test_help_and_mistakes_answer_without_loading_pytorch(folder: Path) -> None:
    code = (
        "import sys; from digits.caffe.__main__ import main; "
        "print(main(sys.argv[1:]), 'torch' in sys.modules)"
    )
    for arguments, status in (
        (["--help"], 0),
        ([], 0),
        (["--version"], 0),
        (["fly"], 1),
        (["train", "--sover=x"], 1),
    ):
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments], cwd=folder, capture_output=True, text=True
        )
        assert done.stdout.splitlines()[-1] == f"{status} False", done.stderr


def test_no_iterations_are_taken_as_caffe_does(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """It divides by their number afterwards, whatever that is."""
    Net(folder / "net.prototxt", Phase.TEST).save(folder / "some.caffemodel")
    test = ["test", f"--model={folder / 'net.prototxt'}", f"--weights={folder / 'some.caffemodel'}"]
    for count, loss in ((0, "-nan"), (-3, "-0")):
        assert main([*test, f"--iterations={count}"]) == 0
        said = capfd.readouterr().err
        assert f"Running for {count} iterations." in said
        assert said.endswith(f"Loss: {loss}\n")
    assert main(["time", test[1], "--iterations=0"]) == 0
    said = capfd.readouterr().err
    assert "forward: -nan ms." in said
    assert "Average Forward-Backward: inf ms." in said


@pytest.mark.slow
def test_a_terminal_gets_a_progress_bar_and_whole_lines(folder: Path) -> None:
    text = (folder / "solver.prototxt").read_text().replace("10000000", "300")
    (folder / "solver.prototxt").write_text(text)
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (25, 100))
    process = subprocess.Popen(
        [*MAIN, "train", "--solver=solver.prototxt"], cwd=folder, stderr=slave
    )
    os.close(slave)
    printed = b""
    while part := _read(master):
        printed += part
    os.close(master)
    assert process.wait(60) == 0
    shown = printed.decode()
    assert "iter/s]" in shown
    assert "/300 [" in shown
    assert "Iteration 200 " in shown


def _read(handle: int) -> bytes:
    try:
        return os.read(handle, 65536)
    except OSError:  # the other end was closed
        return b""


@pytest.mark.parametrize(
    ("arguments", "name", "value"),
    [
        (["train", "--solver=a b"], "solver", "a b"),
        (["train", "-solver", "x"], "solver", "x"),
        (["-solver", "x", "train"], "solver", "x"),
        (["train", "--sigint-effect=none"], "sigint_effect", "none"),
        (["train", "--allow_nan"], "allow_nan", True),
        (["train", "--noallow_nan"], "allow_nan", False),
        (["train", "--allow_nan=true"], "allow_nan", True),
        (["test", "-iterations", "7"], "iterations", 7),
    ],
)
def test_flags_are_written_as_gflags_takes_them(
    arguments: list[str], name: str, value: object
) -> None:
    flags = parse(arguments)
    assert flags.command == next(word for word in arguments if word in ("train", "test"))
    assert getattr(flags, name) == value


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--sovler=x"], "unknown command line flag 'sovler'. Did you mean --solver?"),
        (["--iterations=many"], "illegal value 'many' specified for int32 flag 'iterations'"),
        (["--allow_nan=perhaps"], "illegal value 'perhaps' specified for bool flag"),
        (["--solver"], "flag --solver needs a value"),
        (["train", "test"], "one command is expected, received train, test"),
    ],
)
def test_mistakes_in_flags_are_named(arguments: list[str], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        parse(arguments)


def test_every_flag_has_a_help_text() -> None:
    assert set(HELP) == set(vars(Flags())) - {"command", "help", "version"}


def test_every_program_and_flag_is_documented() -> None:
    text = (Path(__file__).parents[2] / "docs" / "caffe-engine.md").read_text()
    flags = [flag.name for flag in command_line().help.flags]
    assert [name for name in PROGRAMS if f"`{name}`" not in text] == []
    assert [name for name in flags if not re.search(rf"--(no)?{name}\b", text)] == []


@pytest.mark.slow
def test_python_layers_run_unless_they_are_forbidden(folder: Path) -> None:
    (folder / "theirs.py").write_text(
        "import caffe\n\nclass Layer(caffe.Layer):\n"
        "    def setup(self, bottom, top): print('ran')\n"
        "    def reshape(self, bottom, top): top[0].reshape(1)\n"
        "    def forward(self, bottom, top): pass\n"
        "    def backward(self, top, down, bottom): pass\n"
    )
    (folder / "net.prototxt").write_text(
        'layer { name: "theirs" type: "Python" top: "x" loss_weight: 1 '
        'python_param { module: "theirs" layer: "Layer" } }'
    )
    text = SOLVER.replace("10000000", "1").replace('"snap"', '"snap" snapshot_after_train: false')
    (folder / "solver.prototxt").write_text(text)
    arguments = ["train", "--solver=solver.prototxt"]
    allowed = run(folder, *arguments)
    assert (allowed.returncode, allowed.stdout) == (0, "ran\n"), allowed.stderr
    refused = run(folder, *arguments, "--noallow_python")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "not allowed here" in refused.stderr


@pytest.mark.parametrize(
    ("flags", "variables", "lines"),
    [
        ([], {}, 6),
        (["--minloglevel=3"], {}, 1),
        ([], {"GLOG_minloglevel": "3"}, 1),
        (["--minloglevel=2"], {"GLOG_minloglevel": "9"}, 6),
        (["-logtostderr"], {}, 6),
        (["--alsologtostderr=false", "-stderrthreshold", "3", "--log_dir=."], {}, 1),
        (["--undefok=foo", "--foo"], {}, 6),
        (["--flagfile=flags"], {}, 0),
    ],
)
def test_flags_and_variables_of_glog_govern_the_log(
    folder: Path,
    flags: list[str],
    variables: dict[str, str],
    lines: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(folder)
    (folder / "flags").write_text("--minloglevel=4\n")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert main(["fly", *flags]) == 1
    assert len(capsys.readouterr().err.splitlines()) == lines
    if "--log_dir=." in flags:
        assert (folder / "caffe.FATAL").read_text().endswith("] Unknown action: fly\n")


@pytest.mark.slow
def test_a_training_writes_what_it_says_into_files_too(folder: Path) -> None:
    text = SOLVER.replace("10000000", "2").replace('"snap"', '"snap" snapshot_after_train: false')
    (folder / "solver.prototxt").write_text(text)
    (folder / "logs").mkdir()
    done = run(folder, "train", "--solver=solver.prototxt", "--log_dir=logs")
    head, _, lines = (folder / "logs" / "caffe.INFO").read_text().partition("file:line] msg\n")
    assert head.startswith("Log file created at: ")
    assert lines == done.stderr


def test_a_near_miss_of_a_program_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["convert_imagset"]) == 1
    assert "Did you mean 'convert_imageset'" in capsys.readouterr().err


@pytest.mark.slow
def test_a_database_that_is_cut_off_ends_a_training_with_a_message(folder: Path) -> None:
    """What used to happen: SIGBUS ended it, without a word of the database."""
    with db.Writer(str(folder / "db")) as writer:
        for number in range(3000):
            writer.put(b"%08d" % number, bytes(100))
    os.truncate(folder / "db" / "data.mdb", 50_000)
    (folder / "net.prototxt").write_text(
        'layer { name: "data" type: "Data" top: "data" top: "label"\n'
        '  data_param { source: "db" backend: LMDB batch_size: 4 } }\n'
    )
    result = run(folder, "train", "--solver=solver.prototxt")
    assert result.returncode == 1
    assert re.search(r"F\d{4} .* db: .* data.mdb is cut off: [\d,]+ bytes", result.stderr)


@pytest.mark.slow
def test_a_log_says_how_long_the_training_has_taken_in_lines_that_others_pass_over(
    folder: Path,
) -> None:
    solver = SOLVER.replace("10000000", "7").replace("display: 100", "display: 2")
    (folder / "solver.prototxt").write_text(solver)
    log = run(folder, "train", "--solver=solver.prototxt").stderr.splitlines()
    told = [line for line in log if "Elapsed" in line]
    seconds = [float(re.fullmatch(ELAPSED, line)[1]) for line in told]  # type: ignore[index]
    assert len(told) == 5  # four displays, and the last snapshot
    assert seconds == sorted(seconds)
    # What Caffe's own programs look for: parse_log.py, extract_seconds.py, parse_log.sh.
    assert not any(re.search(r"Iteration|output #|loss|lr = |Solving", line) for line in told)
    for line, following in itertools.pairwise(log):
        if re.search(r"Iteration \d+ \(", following):
            assert line in told
