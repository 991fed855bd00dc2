"""Warm starts: programs begin as forks of a process that has their libraries loaded already.

PyTorch takes two seconds of processor time to load; a fork takes some ten milliseconds.  One
process loads it once (`fork_server.py`) and forks itself for each program that is to start
(`order.py`, `keeper.py`), which to everybody outside looks like one that was started alone: a
session, an environment, a command line and an exit status of its own (`appearance.py`).

The server asks for it by `WarmStarts` (`client.py`).  Where that fails, for whatever reason, the
program is started as ever.
"""
