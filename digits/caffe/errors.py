"""What the engine raises when something that it was given is wrong.

    CaffeError (RuntimeError)
    ├── PrototxtError      text that is no valid prototxt: file, line, column
    ├── NetError           a network that cannot be built: blob names, phases, shared parameters
    │   ├── LayerError     one layer of it: its name and type come first in the message
    │   └── UnknownLayer   (ValueError) a name that no layer of the net has
    ├── WeightsError       .caffemodel or HDF5 weights that are cut, foreign, or do not fit the net
    ├── SolverError        solver settings or a solver state that cannot be used
    └── DataError          a database, image list, mean file or record that cannot be read
        └── PictureError   (OSError) a file that is no picture

They are what pycaffe raises where it raises anything: RuntimeError for a file that cannot be
opened, ValueError for the name of a layer, OSError for a picture.  Every message says where, what
was received, and what to do.  Errors of other libraries (protobuf, lmdb, h5py, PIL) are turned into
these where they enter.
"""


class CaffeError(RuntimeError):
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


class UnknownLayer(NetError, ValueError):
    """A name that no layer of the net has."""


class WeightsError(CaffeError):
    """A file of weights that cannot be read, or that does not fit the net."""


class SolverError(CaffeError):
    """Solver settings, or a solver state, that cannot be used."""


class DataError(CaffeError):
    """A database, list, mean file or record that cannot be read."""


class PictureError(DataError, OSError):
    """A file that is no picture."""
