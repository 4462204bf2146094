"""A domain as raw Goodreads (UCSD), Steam (UCSD) or Yelp Open Dataset files."""

import json
import re
from itertools import groupby
from pathlib import Path

import numpy as np

from reprolib.data.world.latent import DAY
from reprolib.data.world.raw import MONTHS, WEEKDAYS, Made, clock, day, identifiers, write_lines
from reprolib.data.world.vocabulary import vocabulary

ATTRIBUTES = (  # what a Yelp business of each pole says of itself, in the order of the poles
    ("RestaurantsReservations", "False"), ("RestaurantsReservations", "True"),
    ("Ambience", "{'casual': True}"), ("Ambience", "{'trendy': True}"),
    ("RestaurantsPriceRange2", "1"), ("RestaurantsPriceRange2", "4"),
    ("RestaurantsGoodForGroups", "False"), ("RestaurantsGoodForGroups", "True"),
    ("NoiseLevel", "u'quiet'"), ("NoiseLevel", "u'very_loud'"),
    ("RestaurantsAttire", "u'casual'"), ("RestaurantsAttire", "u'dressy'"),
    ("Ambience", "{'divey': True}"), ("Ambience", "{'hipster': True}"),
    ("RestaurantsTakeOut", "True"), ("RestaurantsTableService", "True"),
)  # fmt: skip


def write_goodreads(folder: Path, made: Made) -> None:
    """goodreads_interactions.csv (with its two id maps), _reviews, _books and _book_authors (JSON lines)."""
    users, rows = {}, made.rows()
    book = {asin: k for k, asin in enumerate(made.item_ids)}
    table = ["user_id,book_id,is_read,rating,is_reviewed"]
    table += [
        f"{users.setdefault(user, len(users))},{book[item]},1,{stars},1"
        for user, item, _, _, stars, *_ in rows
    ]
    write_lines(folder / "goodreads_interactions.csv", table)
    write_lines(
        folder / "user_id_map.csv",
        ["user_id_csv,user_id", *(f"{k},{user}" for user, k in users.items())],
    )
    write_lines(
        folder / "book_id_map.csv",
        ["book_id_csv,book_id", *(f"{k},{item}" for item, k in book.items())],
    )
    lines, ids = [], identifiers("", "0123456789abcdef", 32, len(rows), made.rng)
    for (user, item, _, time, stars, body, _), review in zip(rows, ids, strict=True):
        year, month, date, weekday = day(time // DAY)
        stamp = f"{WEEKDAYS[weekday]} {MONTHS[month - 1][:3]} {date:02d} {clock(time)} +0000 {year}"
        lines.append(
            json.dumps(
                {
                    "user_id": user,
                    "book_id": item,
                    "review_id": review,
                    "rating": stars,
                    "review_text": body,
                    "date_added": stamp,
                    "date_updated": stamp,
                    "read_at": "",
                    "started_at": "",
                    "n_votes": 0,
                    "n_comments": 0,
                }
            )
        )
    write_lines(folder / "goodreads_reviews.json.gz", lines)
    write_goodreads_books(folder, made)


def write_goodreads_books(folder: Path, made: Made) -> None:
    """goodreads_books.json.gz and goodreads_book_authors.json.gz."""
    texts, rated = (
        made.item_texts,
        np.bincount(made.events.item, minlength=len(made.item_ids)).tolist(),
    )
    lines = []
    for i, item in enumerate(made.item_ids):
        shelves = [
            "to-read",
            *(re.sub("[^a-z]+", "-", c.lower()) for c in texts.categories[i][1:]),
            "owned",
        ]
        lines.append(
            json.dumps(
                {
                    "isbn": "",
                    "text_reviews_count": str(rated[i]),
                    "series": [],
                    "country_code": "US",
                    "language_code": "eng",
                    "popular_shelves": [
                        {"count": str(90 - 20 * k), "name": shelf}
                        for k, shelf in enumerate(shelves)
                    ],
                    "asin": "",
                    "is_ebook": "false",
                    "average_rating": "",
                    "similar_books": [],
                    "description": " ".join(texts.description[i]),
                    "format": "Paperback",
                    "authors": [{"author_id": str(1000 + int(made.items.creator[i])), "role": ""}],
                    "publisher": "",
                    "num_pages": "",
                    "publication_year": "",
                    "book_id": item,
                    "ratings_count": str(rated[i]),
                    "work_id": item,
                    "title": texts.title[i],
                    "title_without_series": texts.name[i],
                }
            )
        )
    write_lines(folder / "goodreads_books.json.gz", lines)
    names = dict(zip(made.items.creator.tolist(), texts.creator, strict=True))
    authors = [
        json.dumps({"author_id": str(1000 + k), "name": name, "ratings_count": ""})
        for k, name in names.items()
    ]
    write_lines(folder / "goodreads_book_authors.json.gz", authors)


def write_steam(folder: Path, made: Made) -> None:
    """australian_user_reviews.json.gz and steam_games.json.gz, Python literals; games have tags, no description."""
    lines = []
    for user, rows in groupby(made.rows(), key=lambda row: row[0]):
        reviews = []
        for _, item, _, time, stars, body, _ in rows:
            year, month, date, _ = day(time // DAY)
            reviews.append(
                {
                    "funny": "",
                    "posted": f"Posted {MONTHS[month - 1]} {date}, {year}.",
                    "last_edited": "",
                    "item_id": item,
                    "helpful": "No ratings yet",
                    "recommend": stars >= 3,
                    "review": body,
                }
            )
        url = f"http://steamcommunity.com/profiles/{user}"
        lines.append(repr({"user_id": user, "user_url": url, "reviews": reviews}))
    write_lines(folder / "australian_user_reviews.json.gz", lines)
    texts = made.item_texts
    games = [
        repr(
            {
                "publisher": texts.creator[i],
                "genres": [texts.categories[i][1]],
                "app_name": texts.title[i],
                "title": texts.title[i],
                "url": f"http://store.steampowered.com/app/{item}/",
                "release_date": "",
                "tags": [*texts.categories[i][1:], *labels(made, i)],
                "specs": ["Single-player"],
                "price": 9.99,
                "early_access": False,
                "id": item,
                "developer": texts.creator[i],
            }
        )
        for i, item in enumerate(made.item_ids)
    ]
    write_lines(folder / "steam_games.json.gz", games)


def write_yelp(folder: Path, made: Made) -> None:
    """yelp_academic_dataset_review.json and yelp_academic_dataset_business.json; a business has no description, so
    its categories and attributes carry its traits."""
    ids, lines = identifiers("", "0123456789abcdef", 22, len(made.events.item), made.rng), []
    for (user, item, _, time, stars, body, _), review in zip(
        made.rows(by_item=True), ids, strict=True
    ):
        year, month, date, _ = day(time // DAY)
        lines.append(
            json.dumps(
                {
                    "review_id": review,
                    "user_id": user,
                    "business_id": item,
                    "stars": float(stars),
                    "useful": 0,
                    "funny": 0,
                    "cool": 0,
                    "text": body,
                    "date": f"{year}-{month:02d}-{date:02d} {clock(time)}",
                }
            )
        )
    write_lines(folder / "yelp_academic_dataset_review.json", lines)
    texts, rated = (
        made.item_texts,
        np.bincount(made.events.item, minlength=len(made.item_ids)).tolist(),
    )
    businesses = [
        json.dumps(
            {
                "business_id": item,
                "name": texts.title[i],
                "address": "",
                "city": "Philadelphia",
                "state": "PA",
                "postal_code": "19107",
                "latitude": 39.95,
                "longitude": -75.16,
                "stars": None,
                "review_count": rated[i],
                "is_open": 1,
                "attributes": dict(ATTRIBUTES[pole] for pole in texts.mentions[i, 1:].tolist()),
                "categories": ", ".join([*texts.categories[i], *labels(made, i)]),
                "hours": None,
            }
        )
        for i, item in enumerate(made.item_ids)
    ]
    write_lines(folder / "yelp_academic_dataset_business.json", businesses)


def labels(made: Made, item: int) -> list[str]:
    """Short labels for the poles that the item's texts speak of."""
    phrases = vocabulary(made.domain.vocabulary).phrases
    named = [
        phrases[pole][(item + k) % 4]
        for k, pole in enumerate(made.item_texts.mentions[item].tolist())
    ]
    return list(dict.fromkeys(re.sub("^(an?|the) ", "", phrase).capitalize() for phrase in named))
