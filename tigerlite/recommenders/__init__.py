"""Recommenders, by the word that `model.json` and the configs use."""
