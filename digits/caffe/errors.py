"""What the engine raises when something that it was given is wrong.

    CaffeError
    ├── PrototxtError      text that is no valid prototxt: file, line, column
    ├── NetError           a network that cannot be built: blob names, phases, shared parameters
    │   └── LayerError     one layer of it: its name and type come first in the message
    ├── WeightsError       .caffemodel or HDF5 weights that are cut, foreign, or do not fit the net
    ├── SolverError        solver settings or a solver state that cannot be used
    └── DataError          a database, image list, mean file or record that cannot be read

Every message says where, what was received, and what to do.  Errors of other libraries (protobuf,
lmdb, h5py, PIL) are turned into these where they enter.
"""


class CaffeError(Exception):
    """The root: catch this to catch everything that the engine says about its input."""


class PrototxtError(CaffeError):
    """Text that is no valid prototxt; the message starts with `file:line:column`."""


class NetError(CaffeError):
    """A network that cannot be built."""


class LayerError(NetError):
    """One layer that cannot be built or run; the message starts with its name and type."""

    def __init__(self, name: str, layer_type: str, problem: str) -> None:
        super().__init__(f"layer {name!r} ({layer_type}): {problem}")
        self.layer_name = name
        self.layer_type = layer_type
        self.problem = problem


class WeightsError(CaffeError):
    """A file of weights that cannot be read, or that does not fit the net."""


class SolverError(CaffeError):
    """Solver settings, or a solver state, that cannot be used."""


class DataError(CaffeError):
    """A database, list, mean file or record that cannot be read."""
