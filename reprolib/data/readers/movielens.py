"""MovieLens in its three dresses: u.data/u.item (100K), ratings.dat/movies.dat (1M, 10M), ratings.csv/movies.csv."""

from pathlib import Path

import polars as pl

from reprolib.data.corpus import Corpus, DataError
from reprolib.data.readers._finish import read_pair
from reprolib.data.readers._formats import first_record, interaction_spec, require, table_parsers
from reprolib.data.readers._records import Spec

RATINGS = "MovieLens ratings: u.data, ratings.dat or ratings.csv"
MOVIES = "MovieLens movies: u.item, movies.dat or movies.csv"
FIELDS = ("user", "item", "rating", "timestamp")
GENRES = (
    "unknown",
    "Action",
    "Adventure",
    "Animation",
    "Children's",
    "Comedy",
    "Crime",
    "Documentary",
    "Drama",
    "Fantasy",
    "Film-Noir",
    "Horror",
    "Musical",
    "Mystery",
    "Romance",
    "Sci-Fi",
    "Thriller",
    "War",
    "Western",
)
ITEM = ("movieId", "title", "date", "video", "url")


def read_movielens(
    ratings: str | Path,
    movies: str | Path | None = None,
    *,
    domain: str = "movies",
    progress: bool = True,
    max_malformed: float = 0.01,
) -> Corpus:
    """Ratings and, if given, movies (genres as categories); clock "unix"."""
    separator, fields = first_record(ratings, RATINGS)
    if isinstance(fields, dict) or (len(fields) != 4 and "userId" not in fields):
        require(ratings, fields, ("userId", "movieId", "rating", "timestamp"), RATINGS)
    if not fields[0].isdigit():
        names = dict(zip(FIELDS, ("userId", "movieId", "rating", "timestamp"), strict=True))
        require(ratings, fields, names.values(), RATINGS)
        spec = interaction_spec(names, table_parsers, fields, separator, header=True)
    else:
        spec = interaction_spec(
            dict(zip(FIELDS, FIELDS, strict=True)), table_parsers, list(FIELDS), separator
        )
    about = None if movies is None else (movies, _movie_spec(movies), MOVIES)
    return read_pair(
        (ratings, spec, RATINGS),
        about,
        domain=domain,
        progress=progress,
        max_malformed=max_malformed,
    )


def _movie_spec(path: str | Path) -> Spec:
    separator, fields = first_record(path, MOVIES)
    genres = pl.col("genres").str.split("|").list.set_difference(["(no genres listed)"])
    if separator == "|":
        names, encoding, header = [*ITEM, *GENRES], "latin-1", False
        genres = pl.concat_list(
            pl.when(pl.col(genre) == "1").then(pl.lit(genre)) for genre in GENRES
        ).list.drop_nulls()
        columns = dict.fromkeys(("movieId", "title", *GENRES), pl.String)
    else:
        names, encoding, header = (
            ["movieId", "title", "genres"],
            "utf-8" if separator == "," else "latin-1",
            True,
        )
        columns = dict.fromkeys(names, pl.String)
    if separator == ",":
        require(path, fields, names, MOVIES)
        parsers = table_parsers(fields, separator, columns)
    elif len(fields) != len(names):
        raise DataError(
            f"{path}: {len(fields)} fields in its first line, {len(names)} are needed; expected {MOVIES}"
        )
    else:
        header = False
        parsers = {"slow": table_parsers(names, separator, columns)["slow"]}
    shaped = pl.col("movieId").alias("item"), "title", genres.alias("categories")
    return Spec(
        columns,
        required=("movieId",),
        convert=lambda frame: frame.select(shaped),
        encoding=encoding,
        header=header,
        **parsers,
    )
