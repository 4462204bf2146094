"""Every system by name: in which module it stands, and the options that make it this system. Text, nothing is imported.

A system is a function (dataset, seed, progress, **options) -> Fitted. Its options are its keyword arguments, so an
unknown option is found before anything is trained. A sequence system has `build` besides: its untrained model.
"""

import difflib
import importlib
import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

    from reprolib.data.dataset import Dataset
    from reprolib.training.fitted import Fitted


@dataclass(frozen=True)
class System:
    """Where a system stands and what it is called with.

    module, function  its own module and the function in it
    preset            options that differ from the function's defaults
    """

    module: str
    function: str
    preset: dict[str, object] = field(default_factory=dict)


BASELINES, RERANKERS, PAPERS = "reprolib.baselines", "reprolib.rerankers", "reprolib.papers"
SEMACDR = f"{PAPERS}.semacdr.systems"
PERSONA4REC = f"{PAPERS}.persona4rec.systems"
SPHERE = f"{PAPERS}.sphere.systems"
# as published: InfoNCE against 8 negatives; temperature and learning rate are our reading
SPHERE_LOSS = {"loss": "infonce", "negatives": 8, "tau": 0.1, "lr": 5e-3}
PERSONA_KG = f"{PAPERS}.persona_kg.systems"
SYSTEMS: dict[str, System] = {
    "Popularity": System(f"{BASELINES}.popularity", "popularity"),
    "Markov": System(f"{BASELINES}.markov", "markov"),
    "ItemKNN": System(f"{BASELINES}.item_knn", "item_knn"),
    "SessionKNN": System(f"{BASELINES}.session_knn", "session_knn"),
    "BPR-MF": System(f"{BASELINES}.bpr_mf", "bpr_mf"),
    "BPR-MF-both": System(f"{BASELINES}.bpr_mf", "bpr_mf", {"domains": "all"}),
    "LightGCN": System(f"{BASELINES}.lightgcn", "lightgcn"),
    "SASRec": System(f"{BASELINES}.sasrec", "sasrec"),
    "SASRec-SSM": System(f"{BASELINES}.sasrec", "sasrec", {"loss": "ssm"}),
    "SASRec-both": System(f"{BASELINES}.sasrec", "sasrec", {"reads": "mix"}),
    "CL4SRec": System(f"{BASELINES}.cl4srec", "cl4srec"),
    "pi-Net": System(f"{BASELINES}.pinet", "pinet"),
    "C2DSR": System(f"{BASELINES}.c2dsr", "c2dsr"),
    "MGCL": System(f"{BASELINES}.mgcl", "mgcl"),
    "CD-SASRec": System(f"{BASELINES}.cd_sasrec", "cd_sasrec"),
    "Tri-CDR": System(f"{BASELINES}.tri_cdr", "tri_cdr"),
    "TJAPL": System(f"{BASELINES}.tjapl", "tjapl"),
    "SemaCDR": System(SEMACDR, "semacdr", {"loss": "bpr"}),
    "SemaCDR graph-scored": System(
        SEMACDR, "semacdr", {"loss": "bpr", "score": "graph", "residual": True}
    ),
    "C2DSR + semantics": System(SEMACDR, "c2dsr_with_semantics"),
    "Tri-CDR + semantics": System(SEMACDR, "tri_cdr_with_semantics"),
    "SASRec + LLM items": System(
        PERSONA_KG, "persona_session", {"loss": "softmax", "persona": "none"}
    ),
    "SASRec + session user": System(
        PERSONA_KG, "persona_session", {"loss": "softmax", "persona": "history"}
    ),
    "Persona-KG": System(PERSONA_KG, "persona_session", {"loss": "softmax"}),
    "SASRec + LLM items + rerank": System(
        PERSONA_KG, "with_rerank", {"first_stage": "SASRec + LLM items"}
    ),
    "SASRec + session user + rerank": System(
        PERSONA_KG, "with_rerank", {"first_stage": "SASRec + session user"}
    ),
    "Persona-KG + rerank": System(PERSONA_KG, "with_rerank"),
    "ZS-LLM": System(f"{RERANKERS}.zs_llm", "zs_llm"),
    "TALLRec": System(f"{RERANKERS}.tallrec", "tallrec"),
    "EXP3RT": System(f"{RERANKERS}.exp3rt", "exp3rt"),
    "PERSONA4REC": System(PERSONA4REC, "persona4rec"),
    "PERSONA4REC (vanilla)": System(PERSONA4REC, "persona4rec", {"tuning": "none"}),
    "PERSONA4REC (LoRA)": System(
        PERSONA4REC, "persona4rec", {"tuning": "lora", "tune_lr": 1e-5, "tune_epochs": 1}
    ),
    "PERSONA4REC (summary only)": System(PERSONA4REC, "persona4rec", {"reads": "summaries"}),
    "LightGCN-InfoNCE": System(SPHERE, "lightgcn_infonce", SPHERE_LOSS),
    "SPHERE-CSP": System(SPHERE, "sphere_lightgcn", SPHERE_LOSS),
    "SPHERE-Intra": System(SPHERE, "sphere_lightgcn", SPHERE_LOSS | {"user_vector": "intra"}),
    "SPHERE-Dual": System(SPHERE, "sphere_lightgcn", SPHERE_LOSS | {"user_vector": "dual"}),
    "SPHERE (random users)": System(
        SPHERE, "sphere_lightgcn", SPHERE_LOSS | {"user_vector": "random"}
    ),
    "SPHERE (shuffled)": System(
        SPHERE, "sphere_lightgcn", SPHERE_LOSS | {"user_vector": "shuffled"}
    ),
    "SPHERE (constant)": System(
        SPHERE, "sphere_lightgcn", SPHERE_LOSS | {"user_vector": "constant"}
    ),
    "SPHERE (Gaussian)": System(
        SPHERE, "sphere_lightgcn", SPHERE_LOSS | {"user_vector": "gaussian"}
    ),
    "PERSONA4REC + generator": System(PERSONA4REC, "persona4rec", {"added": True}),
    "summary + generator": System(
        PERSONA4REC, "persona4rec", {"reads": "summaries", "added": True}
    ),
}
# systems without training; a trained system below one of them has not learned
FLOORS = ("Popularity", "Markov", "ItemKNN")


def system_names() -> list[str]:
    """Names of all systems, in the order of the registry."""
    return list(SYSTEMS)


def find_system(name: str) -> System:
    """The entry of that name. Raises ValueError on an unknown name, with the nearest one."""
    if name not in SYSTEMS:
        raise ValueError(f"{name!r} is no system{nearest(name, SYSTEMS)}")
    return SYSTEMS[name]


def load_system(name: str) -> Callable[..., "Fitted"]:
    """The system's function; its module is imported now."""
    system = find_system(name)
    return getattr(importlib.import_module(system.module), system.function)


def options_of(name: str) -> dict[str, object]:
    """The system's options with their defaults. Raises ValueError on an unknown name."""
    parameters = inspect.signature(load_system(name)).parameters.values()
    defaults = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
    return defaults | find_system(name).preset


def resolved_options(name: str, given: dict[str, object]) -> dict[str, object]:
    """All options that the system runs with. Raises ValueError on an unknown option, with the nearest one."""
    known = options_of(name)
    for option in given:
        if option not in known:
            raise ValueError(f"{name} has no option {option!r}{nearest(option, known)}")
    return known | given


def train(
    name: str, dataset: "Dataset", seed: int = 0, progress: bool = True, **options: object
) -> "Fitted":
    """Train the named system. Raises ValueError on an unknown system or option."""
    return load_system(name)(dataset, seed, progress, **resolved_options(name, options))


def build_model(name: str, dataset: "Dataset", **options: object) -> "nn.Module":
    """The untrained model of a sequence system, with the very options that `train` would take.

    Raises ValueError on an unknown system or option, and on a system that is no sequence model.
    """
    function = load_system(name)
    if not hasattr(function, "build"):
        raise ValueError(f"{name} is no sequence model; it has nothing to build before training")
    own = inspect.signature(function.build).parameters
    resolved = resolved_options(name, options)
    return function.build(dataset, **{k: v for k, v in resolved.items() if k in own})


def train_model(name: str, dataset: "Dataset", seed: int = 0, **options: object) -> "nn.Module":
    """The trained model of a sequence system, in eval mode on the CPU, for a look inside.

    options  as for `train`; the same seed gives the weights that a run of the grid has
    """
    from reprolib.training.loop import fit, seed_everything

    seed_everything(seed)
    model = build_model(name, dataset, **options)
    own = inspect.signature(load_system(name).build).parameters
    training = {k: v for k, v in resolved_options(name, options).items() if k not in own}
    return fit(model, dataset.split, seed=seed, progress=False, **training).model.cpu().eval()


def nearest(word: str, known: Iterable[str]) -> str:
    """ " (did you mean X?)", or the list of what is known where nothing is near."""
    names = list(known)
    close = difflib.get_close_matches(word, names, n=1)
    return f" (did you mean {close[0]}?)" if close else f"; there are {', '.join(names) or 'none'}"
