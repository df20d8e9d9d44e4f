"""Jobs: a verb over any number of recordings, whose results are written as they are done."""
