"""Recommenders: TIGER with its network, trie and searches; next-item models; closed forms in `baselines/`.

`KINDS` lists what `model.json` can name; modules are imported when they are needed.
"""

KINDS = {
    "tiger": "tigerlite.recommenders.tiger.TIGER",
    "unigrec": "tigerlite.recommenders.unigrec.UniGRec",
    "nextitem": "tigerlite.recommenders.nextitem.NextItem",
    "popularity": "tigerlite.recommenders.baselines.popularity.Popularity",
    "recent": "tigerlite.recommenders.baselines.recent.Recent",
    "itemknn": "tigerlite.recommenders.baselines.itemknn.ItemKNN",
}
