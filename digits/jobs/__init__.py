"""Jobs and tasks: their statuses, queue, processes, folders and logs; no word of the web."""
