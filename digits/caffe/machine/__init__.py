"""Device, random numbers, log, flags and memory of the process."""
