"""`tigerlite report KIND RUN`: one module per kind, with its `Flags` and `report(run, flags)`.

`KINDS` lists what each says; modules are imported when they are needed.
"""

KINDS = {
    "tokens": ("how good its identifiers are, before a recommender is trained", "tigerlite.reports.tokens"),
    "identifiers": (
        "of a study's folder: which figures of the report on tokens foretell NDCG@10",
        "tigerlite.studies.identifiers",
    ),
    "usage": ("entropy of the codes' use per level, beside another run's", "tigerlite.reports.usage"),
    "results": ("head and tail, popularity deciles, prefix match, coverage", "tigerlite.reports.results"),
    "longtail": (
        "improvement over a baseline by training frequency of the held-out item",
        "tigerlite.reports.longtail",
    ),
    "transitions": (
        "of a study's folder: how much of NDCG@10 is repeats, transitions seen in training, new ones",
        "tigerlite.studies.transitions",
    ),
    "prefix": (
        "of a study's folder: how many first codes of the held-out item its rows get right",
        "tigerlite.studies.prefix",
    ),
    "members": (
        "several identifiers per item: drift, draws, scores, choice, cost",
        "tigerlite.reports.members",
    ),
    "example": ("one user: history, held-out item, recommendations with their codes", "tigerlite.reports.example"),
    "diagnostics": ("training curves, filter ratio and purity gain of the codes", "tigerlite.reports.diagnostics"),
}
