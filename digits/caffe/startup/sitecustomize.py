"""Lets `import caffe` mean ours in every Python of a shell that took `digits-caffe env`.

Python runs it at its start, since it stands on PYTHONPATH.  It hides another `sitecustomize` there,
and runs it as well.  A Python without DIGITS is left as it is.
"""

import importlib.machinery
import importlib.util
import os
import sys


def _run_the_hidden_one():
    here = os.path.dirname(os.path.abspath(__file__))
    rest = [folder for folder in sys.path if os.path.abspath(folder) != here]
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", rest)
    if spec is not None and spec.loader is not None:
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


def _make_caffe_ours():
    try:
        from digits.caffe.machine.caffe_name import make_caffe_ours  # noqa: PLC0415
    except ImportError:  # another environment's Python
        return
    make_caffe_ours()


_make_caffe_ours()
_run_the_hidden_one()
