"""What the programs do for the memory of their pictures."""

import gc

from digits.tools.memory import loading


def test_what_is_loaded_is_no_garbage_to_look_through():
    frozen = gc.get_freeze_count()
    try:
        with loading():
            assert not gc.isenabled()
            loaded = [[index] for index in range(1000)]
        assert gc.isenabled()
        assert gc.get_freeze_count() >= frozen + len(loaded)
    finally:
        gc.unfreeze()
