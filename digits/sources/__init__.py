"""Where pictures come from: folders, archives, lists, URLs, and what of them may be read."""
