"""A training's snapshots: three files, from which it goes on as if it had never stopped.

- PREFIX_iter_N.caffemodel: the weights, as Caffe has them (`nets/weights.py`).
- PREFIX_iter_N.solverstate: the iteration and the history of the updates, as Caffe has them
  (`state_file.py`).  With snapshot_format HDF5 these two end in .h5.
- PREFIX_iter_N.resume: our own, where the data and the random numbers are (`resume_file.py`).

Each is written whole or not at all, the solver state after the weights: where it is, both are.
Real Caffe's snapshots, which lack the third, start at the first record with fresh random numbers.
Elsewhere: what is written and put back (`training_state.py`), when (`solver.py`).
"""

from digits.caffe.solving.snapshots.training_state import (
    TrainingState,
    restore_snapshot,
    take_snapshot,
)

__all__ = ["TrainingState", "restore_snapshot", "take_snapshot"]
