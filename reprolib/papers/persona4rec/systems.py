"""The rerankers as systems of the grid. Tables call them by label, such as "PERSONA4REC on BPR-MF"."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reprolib.data.split import Split
    from reprolib.training.trained import Trained


def zs_llm(
    split: "Split",
    seed: int,
    progress: bool,
    *,
    generator: str = "BPR-MF",
    generator_epochs: int = 200,
    candidates: int = 20,
    annotator: str = "embedded",
    shuffle: bool = False,
) -> "Trained":
    """A language model orders each list without training; shuffle: it sees the lists in random order."""
    from reprolib.papers.persona4rec.rerank import make_zs_llm, reranked_by

    return reranked_by(
        make_zs_llm,
        split,
        seed,
        progress,
        generator,
        generator_epochs,
        candidates,
        annotator=annotator,
        shuffle=shuffle,
    )


def tallrec(
    split: "Split",
    seed: int,
    progress: bool,
    *,
    generator: str = "BPR-MF",
    generator_epochs: int = 200,
    candidates: int = 20,
    lm: str = "small",
    lm_samples: int = 2048,
    lm_epochs: int = 5,
) -> "Trained":
    """A causal LM tuned to say whether a user likes an item; lm: "small" or a Hugging Face name."""
    from reprolib.papers.persona4rec.rerank import make_tallrec, reranked_by

    return reranked_by(
        make_tallrec,
        split,
        seed,
        progress,
        generator,
        generator_epochs,
        candidates,
        lm=lm,
        most=lm_samples,
        epochs=lm_epochs,
    )


def exp3rt(
    split: "Split",
    seed: int,
    progress: bool,
    *,
    generator: str = "BPR-MF",
    generator_epochs: int = 200,
    candidates: int = 20,
    annotator: str = "embedded",
    lm: str = "small",
    lm_samples: int = 1024,
    lm_epochs: int = 5,
) -> "Trained":
    """A causal LM tuned to reason and rate; the annotator is its teacher."""
    from reprolib.papers.persona4rec.rerank import make_exp3rt, reranked_by

    return reranked_by(
        make_exp3rt,
        split,
        seed,
        progress,
        generator,
        generator_epochs,
        candidates,
        annotator=annotator,
        lm=lm,
        most=lm_samples,
        epochs=lm_epochs,
    )


def persona4rec(
    split: "Split",
    seed: int,
    progress: bool,
    *,
    generator: str = "BPR-MF",
    generator_epochs: int = 200,
    candidates: int = 20,
    annotator: str = "embedded",
    encoder: str = "minilm",
    tuned: bool = True,
    reads: str = "personas",
    personas: int = 0,
    gamma: float = 0.65,
    history: int = 10,
    pairs: int = 0,
    per_user: int = 5,
    train_history: int = 10,
    tau: float = 0.05,
    tune_lr: float = 1e-5,
    tune_epochs: int = 1,
    tune_batch: int = 72,
) -> "Trained":
    """Best persona of each candidate; tuned: with LoRA on aligned pairs (at most `pairs` of them, 0: all).

    reads     "personas", or "summaries": no reviews (Table 6)
    personas  the first so many of each item (Table 10), 0: all
    """
    from reprolib.papers.persona4rec.rerank import make_persona4rec, reranked_by

    return reranked_by(
        make_persona4rec,
        split,
        seed,
        progress,
        generator,
        generator_epochs,
        candidates,
        annotator=annotator,
        encoder=encoder,
        tuned=tuned,
        reads=reads,
        personas=personas,
        gamma=gamma,
        history=history,
        pairs=pairs,
        per_user=per_user,
        train_history=train_history,
        tau=tau,
        lr=tune_lr,
        epochs=tune_epochs,
        batch_size=tune_batch,
    )


SYSTEMS = {
    "ZS-LLM": (zs_llm, {}),
    "TALLRec": (tallrec, {}),
    "EXP3RT": (exp3rt, {}),
    "PERSONA4REC": (persona4rec, {}),
    "PERSONA4REC (vanilla)": (persona4rec, {"tuned": False}),
    "PERSONA4REC (summary only)": (persona4rec, {"reads": "summaries"}),
}
