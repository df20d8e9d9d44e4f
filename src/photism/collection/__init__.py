"""Collections of recordings: index them in a Lance table, search it by words or by sound, find near-duplicates."""
