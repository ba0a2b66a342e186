"""The name and dtype of every column that tigerlite writes; they exist once, here.

Interactions (one row per event): `USER`, `ITEM` (strings, external ids), `ROW` (position in the input, breaks ties in
time), and where the data have them `TIME` (whole seconds) and `RATING`. Items (one row per item): `ITEM` and any text
columns. Ranks (one row per evaluated user): `USER`, `TARGET`, `HISTORY_LENGTH`, and `RANK/METHOD` for each method.
"""

USER = "user"
ITEM = "item"
TIME = "time"
RATING = "rating"
ROW = "row"

TARGET = "target"
RANK = "rank"
HISTORY_LENGTH = "history_length"
