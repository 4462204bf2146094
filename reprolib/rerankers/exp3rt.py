"""EXP3RT: preferences from reviews, a reasoned rating, reranking by the expected rating (Kim et al., arXiv 2408.06276).

A teacher (the annotator) extracts likes and dislikes and writes the reasoning; a causal LM is tuned to write reasoning
and rating itself and then ranks alone. The paper's profile step, a summary of the points by the teacher, is replaced by
the latest points themselves.
"""

import re
import time
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from reprolib.data.corpus import DataError
from reprolib.data.dataset import Dataset
from reprolib.llm import complete_many, open_llm
from reprolib.llm.embedded import words
from reprolib.llm.task import BackEnd
from reprolib.rerankers.causal_lm import (
    SMALL,
    SMALL_RATE,
    CausalLM,
    choice_scores,
    generate,
    open_lm,
    train_lm,
)
from reprolib.rerankers.first_stage import Lists, kept
from reprolib.rerankers.histories import Material, material_of, name
from reprolib.rerankers.reranker import Reranker, of_language_model, rerank_lists
from reprolib.rerankers.tasks import PREFERENCES, REASONING
from reprolib.training.fitted import Fitted

REVIEWS = 10  # latest reviews that a profile is made of
POINTS = 3  # points that a profile keeps of each kind
LORA_RATE = 2e-4  # learning rate of a named model
RATINGS = ("1", "2", "3", "4", "5")


@dataclass
class Preferences:
    """Likes and dislikes of the training reviews that were read: {row of material.events: (likes, dislikes)}."""

    material: Material
    points: dict[int, tuple[list[str], list[str]]]
    calls: int

    def __post_init__(self):
        events = self.material.events
        self.ratings = events["rating"].to_numpy(float)
        self.by = {"user": self.material.rows, "item": events.groupby("item", sort=False).indices}
        self.mean = float(np.nanmean(self.ratings))

    def profile(
        self, side: str, code: int, without: int | None = None
    ) -> tuple[list[str], list[str], float]:
        """(likes, dislikes, mean rating) of a "user" or an "item" by training reviews, the latest first.

        without  a row that is left out: the review whose rating shall be predicted
        """
        rows = self.by[side].get(code, np.zeros(0, int))
        if without is not None:
            rows = rows[rows != without]
        likes = []
        dislikes = []
        for row in rows[::-1]:
            new_likes, new_dislikes = self.points.get(int(row), ((), ()))
            likes += [point for point in new_likes if point not in likes]
            dislikes += [point for point in new_dislikes if point not in dislikes]
        likes = [words(point, 12) for point in likes[:POINTS]]
        dislikes = [words(point, 12) for point in dislikes[:POINTS]]
        ratings = self.ratings[rows]
        ratings = ratings[~np.isnan(ratings)]
        mean = float(ratings.mean()) if len(ratings) else self.mean
        return likes, dislikes, mean

    def pair(self, user: int, item: int, without: int | None = None) -> dict:
        """The input of the tasks rerank/reasoning and rerank/rating."""
        user_likes, user_dislikes, user_mean = self.profile("user", user, without)
        item_likes, item_dislikes, item_mean = self.profile("item", item, without)
        return {
            "user_likes": user_likes,
            "user_dislikes": user_dislikes,
            "user_mean": user_mean,
            "item": self.material.items[item],
            "item_likes": item_likes,
            "item_dislikes": item_dislikes,
            "item_mean": item_mean,
        }


def extract(
    material: Material,
    users: np.ndarray,
    items: np.ndarray,
    llm: BackEnd,
    *,
    progress: bool = True,
) -> Preferences:
    """Likes and dislikes of the latest REVIEWS reviews of these users and items, by the annotator.

    users, items  codes in any shape, repeats allowed
    Raises DataError where the data have no ratings.
    """
    events = material.events
    if events["rating"].isna().all():
        raise DataError(
            "EXP3RT predicts ratings, but no training event of this data set has one; leave it out here"
        )
    wanted = np.zeros(len(events), bool)
    for column, codes in (("user", users), ("item", items)):
        place = events.iloc[::-1].groupby(column, sort=False).cumcount().sort_index().to_numpy()
        wanted |= (place < REVIEWS) & events[column].isin(np.unique(codes)).to_numpy()
    rows = np.flatnonzero(wanted & (events["review"].str.strip() != "").to_numpy())
    given = [
        {"review": review, "rating": None if pd.isna(rating) else float(rating)}
        for review, rating in events.iloc[rows][["review", "rating"]].itertuples(index=False)
    ]
    answers = complete_many(PREFERENCES, given, llm, on_failure="return", progress=progress)
    points = {int(row): (a.likes, a.dislikes) for row, a in zip(rows, answers, strict=True) if a}
    return Preferences(material, points, len({id(a) for a in answers}))


def prompt(pair: dict) -> str:
    """What the student reads of a user and an item; the answer is a reasoning and a rating."""

    def listed(points: list[str]) -> str:
        return "; ".join(points) or "none"

    return (
        f"The user likes: {listed(pair['user_likes'])}. Dislikes: {listed(pair['user_dislikes'])}. Mean rating "
        f"{pair['user_mean']:.1f}. The item: {name(pair['item'])}. Liked for: {listed(pair['item_likes'])}. "
        f"Disliked for: {listed(pair['item_dislikes'])}. Mean rating {pair['item_mean']:.1f}. "
        "Reason step by step, then give the rating from 1 to 5. Reasoning:"
    )


def reasonings(
    preferences: Preferences, pairs: list[dict], llm: BackEnd, *, progress: bool = True
) -> list[str]:
    """The annotator's reasoning for each `Preferences.pair`, "" where it gave none: EXP3RT's explanation."""
    answers = complete_many(REASONING, pairs, llm, on_failure="return", progress=progress)
    return [answer.reasoning if answer else "" for answer in answers]


def fit_exp3rt(
    preferences: Preferences,
    llm: BackEnd,
    *,
    lm: str = SMALL,
    most: int = 1024,
    epochs: int = 5,
    seed: int = 0,
    progress: bool = True,
) -> tuple[CausalLM, list[float]]:
    """The student and its loss per epoch.

    It is tuned on the teacher's reasoning and the true rating of at most `most` training events whose review was
    read; that review is left out of both profiles.

    llm  the teacher
    lm   "small" or a Hugging Face name, see `open_lm`
    """
    events = preferences.material.events
    rng = np.random.default_rng(seed)
    rated = [row for row in preferences.points if not np.isnan(preferences.ratings[row])]
    rows = rng.permutation(np.array(sorted(rated), int))[:most]
    pairs = []
    for row in rows:
        user = int(events["user"].iat[row])
        item = int(events["item"].iat[row])
        pairs.append(preferences.pair(user, item, without=int(row)))
    reasons = reasonings(preferences, pairs, llm, progress=progress)
    prompts = [prompt(pair) for pair in pairs]
    ratings = np.clip(np.round(preferences.ratings[rows]), 1, 5)
    answers = [
        f"{reason} Rating: {rating:.0f}" for reason, rating in zip(reasons, ratings, strict=True)
    ]
    numbers = " ".join(map(str, range(100)))
    model = open_lm(lm, [*prompts, *answers, numbers], rank=16, alpha=32, seed=seed)
    lr = SMALL_RATE if lm == SMALL else LORA_RATE
    losses = train_lm(model, prompts, answers, epochs=epochs, lr=lr, seed=seed, progress=progress)
    return model, losses


def expected_ratings(
    model: CausalLM,
    preferences: Preferences,
    users: np.ndarray,
    candidates: np.ndarray,
    progress: bool = True,
) -> np.ndarray:
    """(n, k) expected ratings of candidates (n, k): the student reasons, then its rating tokens are weighed."""
    prompts = [
        prompt(preferences.pair(int(user), int(item)))
        for user, row in zip(users, candidates, strict=True)
        for item in row
    ]
    most, size = (64, 512) if model.name == SMALL else (256, 16)
    said = generate(model, prompts, most=most, batch_size=size, progress=progress)
    reasons = [re.split(r"(?i)\brating\s*:", text)[0].strip() for text in said]
    ready = [f"{start} {reason} Rating:" for start, reason in zip(prompts, reasons, strict=True)]
    share = np.exp(choice_scores(model, ready, RATINGS, progress=progress))
    return (share @ np.arange(1, 6, dtype=np.float32)).reshape(candidates.shape)


def exp3rt(
    dataset: Dataset,
    seed: int,
    progress: bool,
    *,
    generator: str = "BPR-MF",
    generator_epochs: int = 200,
    candidates: int = 20,
    annotator: str = "embedded",
    lm: str = SMALL,
    lm_samples: int = 1024,
    lm_epochs: int = 5,
) -> Fitted:
    """A causal LM tuned to reason and rate; the annotator is its teacher.

    annotator  a name for `open_llm`
    lm         "small" (built and trained here) or a Hugging Face name, tuned by LoRA; see `open_lm`
    """
    llm = open_llm(annotator)
    training = {"lm": lm, "most": lm_samples, "epochs": lm_epochs}

    def fit():
        started, material = time.perf_counter(), material_of(dataset)
        users, items = material.events["user"], material.events["item"]
        preferences = extract(material, users, items, llm, progress=progress)
        tuned = fit_exp3rt(preferences, llm, seed=seed, progress=progress, **training)
        ratings: dict[tuple[int, int], float] = {}
        return preferences, *tuned, time.perf_counter() - started, ratings

    def make(test_lists: Lists) -> Reranker:
        key = ("EXP3RT", dataset.split.digest, llm.label, seed, repr(training))
        preferences, model, losses, seconds, ratings = kept(key, fit)

        def score(users: np.ndarray, lists: np.ndarray) -> np.ndarray:
            return expected_ratings(model, preferences, users, lists, progress)

        def score_new_pairs(users: np.ndarray, lists: np.ndarray) -> np.ndarray:
            """The lists of two generators overlap; the student reasons about a pair once."""
            pairs = list(
                zip(users.repeat(lists.shape[1]).tolist(), lists.ravel().tolist(), strict=True)
            )
            new = np.array(sorted(set(pairs) - ratings.keys()), np.int64).reshape(-1, 2)
            scores = score(new[:, 0], new[:, 1:])[:, 0]
            ratings.update(zip(map(tuple, new.tolist()), scores.tolist(), strict=True))
            return np.array([ratings[pair] for pair in pairs], np.float32).reshape(lists.shape)

        report = {"annotator": f"{llm.label}, {model.label}", "llm_calls": preferences.calls}
        made = of_language_model(model, losses, seconds, score, test_lists, report)
        return replace(made, score=score_new_pairs)

    return rerank_lists(make, dataset, seed, generator, generator_epochs, candidates)
