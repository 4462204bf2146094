"""Three views of every item and their contrastive regularisation (SemaCDR equations 2 and 3)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reprolib.nn.encoder import xavier
from reprolib.papers.semacdr.semantics import Semantics
from reprolib.training.losses import info_nce

VIEWS = ("id", "inn", "agn")


SAMPLE = 512  # items of each domain that one step compares (the paper: all; our reading of what is affordable)
WIDTH = 16  # numbers in the learned vector of a label


class Views(nn.Module):
    """e^inn: encoded text, projected; e^agn: learned vectors of an item's labels, shared by both domains.

    `views(E)` (n_items + 1, d) mixes an id table with the text views: the plug-in of section 3.4.
    semantics  labels and encoded texts of the items; None where ids are the only view
    domains    {name: (first, last)} item codes; negatives of the contrastive loss stay inside a domain
    dim        d
    use        which of the views "id", "inn", "agn" exist
    weight     λ of equation 14
    tau        τ of equation 3
    mixed      with the layer that brings the joined views back to d
    Our reading of ⊕ in equation 2: the mean inside a category, concatenation over categories, a linear layer to d.
    Parameters: d₂ d + d + labels WIDTH + K WIDTH d + d, and 3 d² + d for the mixing layer.
    """

    def __init__(
        self,
        semantics: Semantics | None,
        domains: dict[str, tuple[int, int]],
        *,
        dim: int,
        use: tuple[str, ...],
        weight: float,
        tau: float,
        mixed: bool,
    ):
        super().__init__()
        self.domains = domains
        self.use = use
        self.weight = weight
        self.tau = tau
        self.report = {}
        if semantics is not None:
            self.report = {
                "annotator": semantics.annotator,
                "encoder": semantics.encoder,
                "llm_calls": semantics.calls,
            }
        if "inn" in use:
            self.register_buffer("text", torch.from_numpy(semantics.inner), persistent=False)
            self.inner = nn.Linear(self.text.shape[1], dim)
        if "agn" in use:
            labels = torch.from_numpy(semantics.labels).float()  # (n_items + 1, K, M)
            label_counts = labels.sum(-1, keepdim=True).clamp(min=1)
            self.register_buffer("share", labels / label_counts, persistent=False)
            _, K, M = labels.shape
            self.label = nn.Parameter(torch.randn(K, M, WIDTH) * WIDTH**-0.5)
            self.agnostic = nn.Linear(K * WIDTH, dim)
        self.mix = nn.Linear(len(use) * dim, dim) if mixed else None
        xavier(self)

    def view(self, name: str, items: Tensor | slice) -> Tensor:
        """(N, d): the view "inn" or "agn" of the item codes (N,)."""
        if name == "inn":
            return self.inner(self.text[items])
        categories = torch.einsum("nkm,kmw->nkw", self.share[items], self.label)
        return self.agnostic(categories.flatten(1))

    def project(self, ids: Tensor, layer: nn.Linear, items: Tensor | slice = slice(None)) -> Tensor:
        """(N, d): W (e^ID ⊕ e^inn ⊕ e^agn), without the bias, of all items or of some; `ids` (n_items + 1, d).

        Up to here everything is linear, so the layers are multiplied before they meet the items: a third of the work.
        """
        parts = layer.weight.chunk(len(self.use), 1)  # one W (d, d) for each view
        total = 0.0
        for name, W in zip(self.use, parts, strict=True):
            if name == "id":
                total = total + ids[items] @ W.T
            elif name == "inn":
                text = self.text[items]
                total = total + F.linear(text, W @ self.inner.weight, W @ self.inner.bias)
            else:
                total = total + self._project_labels(W, items)
        return total

    def _project_labels(self, W: Tensor, items: Tensor | slice) -> Tensor:
        """(N, d): W e^agn of the items."""
        K, M, width = self.label.shape
        to_dim = self.agnostic.weight.view(-1, K, width).permute(1, 2, 0)  # (K, width, d)
        labels = (self.label @ to_dim).view(K * M, -1)  # (K M, d)
        share = self.share[items].flatten(1)  # (N, K M)
        return F.linear(share, W @ labels.T, W @ self.agnostic.bias)

    def forward(self, ids: Tensor) -> Tensor:
        """(n_items + 1, d): the id table (n_items + 1, d) mixed with the text views."""
        return self.project(ids, self.mix) + self.mix.bias

    def contrast(self, ids: Tensor) -> Tensor:
        """λ (L_c(e^ID, e^agn) + L_c(e^inn, e^agn)) with the mean over items, not the sum; 0 where a view is missing."""
        loss = ids.new_zeros(())
        if not self.weight or "agn" not in self.use:
            return loss
        for first, last in self.domains.values():
            items = first + torch.randperm(last - first + 1, device=ids.device)[:SAMPLE]
            agnostic = self.view("agn", items)
            loss = loss + info_nce(F.embedding(items, ids), agnostic, self.tau)
            if "inn" in self.use:
                loss = loss + info_nce(self.view("inn", items), agnostic, self.tau)
        return self.weight * loss
