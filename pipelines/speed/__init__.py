"""One benchmark per file; `pipelines/speed.py NAME` runs `speed.NAME.run(speed.NAME.Config(...))`."""
