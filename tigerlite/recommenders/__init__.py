"""TIGER with its network, trie and searches; closed-form recommenders are in `baselines/`."""
