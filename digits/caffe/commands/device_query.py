"""`caffe device_query`: show the GPUs of this machine.

Source: device_query() in caffe.cpp, Caffe::DeviceQuery() in common.cpp.
"""

from __future__ import annotations

import logging

import torch

from digits.caffe.commands.devices import gpu_numbers
from digits.caffe.commands.flags import Flags
from digits.caffe.machine.device import check_gpu
from digits.caffe.machine.log import at

log = logging.getLogger(__name__)


def device_query(flags: Flags) -> int:
    """Show each GPU of --gpu; raises CaffeError where there is no such GPU."""
    log.info("Querying GPUs %s", flags.gpu, extra=at("caffe.cpp:138"))
    for index in gpu_numbers(flags.gpu):
        check_gpu(index)
        for name, value in _properties(index).items():
            log.info("%-31s%s", f"{name}:", value, extra=at("common.cpp:175"))
    return 0


def _properties(index: int) -> dict[str, object]:
    found = torch.cuda.get_device_properties(index)
    return {
        "Device id": index,
        "Major revision number": found.major,
        "Minor revision number": found.minor,
        "Name": found.name,
        "Total global memory": found.total_memory,
        "Warp size": found.warp_size,
        "Number of multiprocessors": found.multi_processor_count,
    }
