"""Raw data as downloaded, plain or compressed, to a Corpus. Each reader refuses bad input with one sentence."""

from reprolib.data.readers.amazon import read_amazon, read_amazon_ratings
from reprolib.data.readers.dbpedia import read_dbbook, read_dbpedia
from reprolib.data.readers.goodreads import read_goodreads
from reprolib.data.readers.movielens import read_movielens
from reprolib.data.readers.steam import read_steam
from reprolib.data.readers.tidy import read_tidy, write_tidy
from reprolib.data.readers.yelp import read_yelp

__all__ = [
    "read_amazon",
    "read_amazon_ratings",
    "read_dbbook",
    "read_dbpedia",
    "read_goodreads",
    "read_movielens",
    "read_steam",
    "read_tidy",
    "read_yelp",
    "write_tidy",
]
