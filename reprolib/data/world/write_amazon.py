"""A domain as raw Amazon files: 2014 (JSON reviews, Python-literal metadata), 2018 and 2023 (JSON lines)."""

import json
from pathlib import Path

from reprolib.data.world.latent import DAY
from reprolib.data.world.raw import Made, day, write_lines


def write_amazon2014(folder: Path, made: Made) -> None:
    """reviews_<stem>.json.gz and meta_<stem>.json.gz."""
    votes = made.rng.integers(0, 4, len(made.events.item)).tolist()
    lines = []
    for (user, asin, _, time, stars, body, headline), helpful in zip(
        made.rows(by_item=True), votes, strict=True
    ):
        year, month, date, _ = day(time // DAY)
        lines.append(
            json.dumps(
                {
                    "reviewerID": user,
                    "asin": asin,
                    "reviewerName": f"Reader {user[-4:]}",
                    "helpful": [helpful // 2, helpful],
                    "reviewText": body,
                    "overall": float(stars),
                    "summary": headline,
                    "unixReviewTime": time,
                    "reviewTime": f"{month:02d} {date}, {year}",
                }
            )
        )
    write_lines(folder / f"reviews_{made.domain.stem}.json.gz", lines)
    texts, price = made.item_texts, prices(made)
    metadata = [
        repr(
            {
                "asin": asin,
                "title": texts.title[i],
                "price": price[i],
                "brand": texts.creator[i],
                "salesRank": {
                    made.domain.stem.replace("_", " "): int(made.items.popularity[i] ** -1)
                },
                "related": {"also_bought": related(made, i)},
                "categories": [texts.categories[i]],
                "description": " ".join(texts.description[i]),
            }
        )
        for i, asin in enumerate(made.item_ids)
    ]
    write_lines(folder / f"meta_{made.domain.stem}.json.gz", metadata)


def write_amazon2018(folder: Path, made: Made) -> None:
    """<stem>.json.gz and meta_<stem>.json.gz."""
    verified = (made.rng.random(len(made.events.item)) < 0.9).tolist()
    lines = []
    for (user, asin, _, time, stars, body, headline), bought in zip(
        made.rows(by_item=True), verified, strict=True
    ):
        year, month, date, _ = day(time // DAY)
        lines.append(
            json.dumps(
                {
                    "overall": float(stars),
                    "verified": bought,
                    "reviewTime": f"{month:02d} {date}, {year}",
                    "reviewerID": user,
                    "asin": asin,
                    "reviewerName": f"Customer {user[-4:]}",
                    "reviewText": body,
                    "summary": headline,
                    "unixReviewTime": time,
                }
            )
        )
    write_lines(folder / f"{made.domain.stem}.json.gz", lines)
    texts, price = made.item_texts, prices(made)
    metadata = [
        json.dumps(
            {
                "category": texts.categories[i],
                "tech1": "",
                "description": texts.description[i],
                "fit": "",
                "title": texts.title[i],
                "also_buy": related(made, i),
                "tech2": "",
                "brand": texts.creator[i],
                "feature": [],
                "rank": [],
                "also_view": [],
                "details": {},
                "main_cat": texts.categories[i][0],
                "similar_item": "",
                "date": "",
                "price": f"${price[i]:.2f}",
                "asin": asin,
                "imageURL": [],
                "imageURLHighRes": [],
            }
        )
        for i, asin in enumerate(made.item_ids)
    ]
    write_lines(folder / f"meta_{made.domain.stem}.json.gz", metadata)


def write_amazon2023(folder: Path, made: Made) -> None:
    """<stem>.jsonl.gz (milliseconds) and meta_<stem>.jsonl.gz."""
    lines = [
        json.dumps(
            {
                "rating": float(stars),
                "title": headline,
                "text": body,
                "images": [],
                "asin": asin,
                "parent_asin": asin,
                "user_id": user,
                "timestamp": 1000 * time,
                "helpful_vote": 0,
                "verified_purchase": True,
            }
        )
        for user, asin, _, time, stars, body, headline in made.rows(by_item=True)
    ]
    write_lines(folder / f"{made.domain.stem}.jsonl.gz", lines)
    texts, price = made.item_texts, prices(made)
    metadata = [
        json.dumps(
            {
                "main_category": made.domain.stem,
                "title": texts.title[i],
                "subtitle": "Paperback",
                "author": {"avatar": None, "name": texts.creator[i], "about": []},
                "average_rating": None,
                "rating_number": None,
                "features": [],
                "description": texts.description[i],
                "price": price[i],
                "images": [],
                "videos": [],
                "store": f"{texts.creator[i]} (Author)",
                "categories": texts.categories[i],
                "details": {},
                "parent_asin": asin,
                "bought_together": None,
            }
        )
        for i, asin in enumerate(made.item_ids)
    ]
    write_lines(folder / f"meta_{made.domain.stem}.jsonl.gz", metadata)


def prices(made: Made) -> list[float]:
    """Prices in dollars; they follow no trait."""
    return made.rng.lognormal(2.8, 0.5, len(made.item_ids)).round(2).tolist()


def related(made: Made, item: int) -> list[str]:
    """Identifiers of the other items of the same line."""
    line = made.items.line
    around = range(max(0, item - 20), min(len(line), item + 20))
    return [made.item_ids[k] for k in around if line[k] == line[item] and k != item][:5]
