"""How results show themselves: as a `repr` of one line, and in a notebook as HTML of bounded size."""
