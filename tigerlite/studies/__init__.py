"""Tables over rows, data sets and seeds: what to run, running it once, and what the runs say together."""
