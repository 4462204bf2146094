"""Three views of every item and their contrastive regularisation (SemaCDR equations 2 and 3)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reprolib.nn.encoder import xavier
from reprolib.papers.semacdr.semantics import Semantics
from reprolib.training.losses import info_nce

VIEWS = ("id", "inn", "agn")


class Views(nn.Module):
    """e^inn: encoded text, projected; e^agn: learned vectors of an item's labels, shared by both domains.

    `views(E)` (n_items + 1, d) mixes an id table with the text views: the plug-in of section 3.4.
    use       which of the views "id", "inn", "agn" exist
    domains   {name: (first, last)} item codes; negatives of the contrastive loss stay inside a domain
    weight    λ of equation 14; tau: τ of equation 3
    sample    items of each domain that one step compares (the paper: all of them; our reading of what is affordable)
    Our reading of ⊕ in equation 2: the mean inside a category, concatenation over categories, a linear layer to d.
    Parameters: d₂ d + d + labels width + K width d + d, and 3 d² + d for the mixing layer.
    """

    def __init__(
        self,
        semantics: Semantics,
        domains: dict[str, tuple[int, int]],
        dim: int = 64,
        use: tuple[str, ...] = VIEWS,
        weight: float = 0.1,
        tau: float = 0.07,
        sample: int = 512,
        width: int = 16,
        mixed: bool = True,
    ):
        super().__init__()
        self.domains, self.use, self.weight, self.tau, self.sample = (
            domains,
            use,
            weight,
            tau,
            sample,
        )
        read = "inn" in use or "agn" in use
        self.report = (
            {"annotator": semantics.annotator, "llm_calls": semantics.calls} if read else {}
        )
        share = torch.from_numpy(semantics.labels).float()  # (n_items + 1, K, M)
        self.register_buffer(
            "share", share / share.sum(-1, keepdim=True).clamp(min=1), persistent=False
        )
        self.register_buffer("text", torch.from_numpy(semantics.inner), persistent=False)
        _, K, M = share.shape
        if "inn" in use:
            self.inner = nn.Linear(self.text.shape[1], dim)
        if "agn" in use:
            self.label = nn.Parameter(torch.randn(K, M, width) * width**-0.5)
            self.agnostic = nn.Linear(K * width, dim)
        self.mix = nn.Linear(len(use) * dim, dim) if mixed else None
        xavier(self)

    def view(self, name: str, items: Tensor | slice) -> Tensor:
        """(N, d): the view "inn" or "agn" of the item codes (N,)."""
        if name == "inn":
            return self.inner(self.text[items])
        return self.agnostic(torch.einsum("nkm,kmw->nkw", self.share[items], self.label).flatten(1))

    def project(self, ids: Tensor, layer: nn.Linear, items: Tensor | slice = slice(None)) -> Tensor:
        """(N, d): W (e^ID ⊕ e^inn ⊕ e^agn), without the bias, of all items or of some; `ids` (n_items + 1, d).

        Up to here everything is linear, so the layers are multiplied before they meet the items: a third of the work.
        """
        total = 0.0
        for name, W in zip(
            self.use, layer.weight.chunk(len(self.use), 1), strict=True
        ):  # (d, d) each
            if name == "id":
                total = total + ids[items] @ W.T
            elif name == "inn":
                total = total + F.linear(
                    self.text[items], W @ self.inner.weight, W @ self.inner.bias
                )
            else:
                K, M, width = self.label.shape
                labels = self.label @ self.agnostic.weight.view(-1, K, width).permute(
                    1, 2, 0
                )  # (K, M, d)
                share = self.share[items].flatten(1)
                total = total + F.linear(
                    share, W @ labels.view(K * M, -1).T, W @ self.agnostic.bias
                )
        return total

    def forward(self, ids: Tensor) -> Tensor:
        return self.project(ids, self.mix) + self.mix.bias

    def contrast(self, ids: Tensor) -> Tensor:
        """λ (L_c(e^ID, e^agn) + L_c(e^inn, e^agn)) with the mean over items, not the sum; 0 where a view is missing."""
        loss = ids.new_zeros(())
        if not self.weight or "agn" not in self.use:
            return loss
        for first, last in self.domains.values():
            items = first + torch.randperm(last - first + 1, device=ids.device)[: self.sample]
            agnostic = self.view("agn", items)
            loss = loss + info_nce(F.embedding(items, ids), agnostic, self.tau)
            if "inn" in self.use:
                loss = loss + info_nce(self.view("inn", items), agnostic, self.tau)
        return self.weight * loss
