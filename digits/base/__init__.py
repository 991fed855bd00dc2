"""What any floor may use: whole files, words for numbers, devices, progress of programs."""
