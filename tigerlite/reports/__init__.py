"""Reports about finished runs: what `tigerlite report KIND RUN` prints and writes."""
