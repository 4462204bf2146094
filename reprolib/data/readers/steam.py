"""Steam (McAuley lab): reviews by user (australian_user_reviews), the long review file (steam_reviews), games."""

from pathlib import Path

import polars as pl

from reprolib.data.corpus import Corpus
from reprolib.data.readers._finish import read_pair
from reprolib.data.readers._formats import (
    first_record,
    interaction_spec,
    json_line,
    literal_line,
    record_parsers,
    require,
    table_parsers,
)
from reprolib.data.readers._records import Spec

REVIEWS = "Steam reviews such as australian_user_reviews.json.gz or steam_reviews.json.gz"
GAMES = "Steam games such as steam_games.json.gz"
BY_USER = {
    "user": "user_id",
    "item": "item_id",
    "timestamp": "posted",
    "rating": "recommend",
    "review": "review",
}
LONG = {"user": "username", "item": "product_id", "timestamp": "date", "review": "text"}
GAME_COLUMNS = {
    **dict.fromkeys(("id", "app_name", "title", "developer"), pl.String),
    **dict.fromkeys(("genres", "tags"), pl.List(pl.String)),
}


def read_steam(
    reviews: str | Path,
    games: str | Path | None = None,
    *,
    domain: str = "games",
    text: bool = True,
    progress: bool = True,
    max_malformed: float = 0.01,
) -> Corpus:
    """Reviews (by user, long, or as a table with a `posted` column) and the games' metadata; clock "day".

    Rating is 1 where the user recommends the game, 0 where not, null in the long file. A date without a year
    ("Posted June 24.") gives a null timestamp. Categories are genres, then tags.
    """
    source = reviews, _review_spec(reviews, text), REVIEWS
    about = None if games is None else (games, _game_spec(games), GAMES)
    return read_pair(source, about, domain=domain, progress=progress, max_malformed=max_malformed)


def _review_spec(path: str | Path, text: bool) -> Spec:
    form, keys = first_record(path, REVIEWS)
    if "product_id" in keys:
        require(path, keys, LONG.values(), REVIEWS)
        return interaction_spec(
            LONG, record_parsers, form, text=text, worded={"timestamp": _seconds}
        )
    how = {"text": text, "worded": {"timestamp": _seconds, "rating": _recommended}}
    if "reviews" in keys:
        require(path, keys, ("user_id",), REVIEWS)
        parse = literal_line if form == "literal" else json_line
        return interaction_spec(
            BY_USER, lambda columns: {"slow": lambda line: _by_user(parse(line)[0])}, **how
        )
    require(path, keys, ("user_id", "item_id", "posted", "recommend"), REVIEWS)
    names = {c: raw for c, raw in BY_USER.items() if raw in keys}
    if isinstance(keys, dict):
        return interaction_spec(names, record_parsers, form, **how)
    return interaction_spec(names, table_parsers, keys, form, header=True, **how)


def _by_user(record: dict) -> list[dict]:
    if not isinstance(record.get("reviews"), list):
        raise ValueError("no list under 'reviews'")
    return [review | {"user_id": record.get("user_id")} for review in record["reviews"]]


def _seconds(date: pl.Expr) -> pl.Expr:
    forms = ("Posted %B %d, %Y.", "%Y-%m-%d")
    days = [date.str.to_date(form, strict=False) for form in forms]
    return pl.coalesce(days).cast(pl.Datetime("ms")).dt.epoch("s")


def _recommended(text: pl.Expr) -> pl.Expr:
    return text.str.to_lowercase().replace_strict({"true": 1.0, "false": 0.0}, default=None)


def _game_spec(path: str | Path) -> Spec:
    form, keys = first_record(path, GAMES)
    require(path, keys, ("id", "app_name"), GAMES)
    shaped = (
        pl.col("id").alias("item"),
        pl.coalesce("title", "app_name").alias("title"),
        pl.col("developer").alias("creator"),
        pl.concat_list(pl.col("genres", "tags").fill_null(pl.lit([], pl.List(pl.String)))).alias(
            "categories"
        ),
    )
    return Spec(
        GAME_COLUMNS,
        required=("id",),
        blanks=True,
        convert=lambda frame: frame.select(shaped),
        **record_parsers(form, GAME_COLUMNS),
    )
