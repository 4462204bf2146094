"""HDGI: heterogeneous deep graph infomax (Ren et al. 2019), the convolutional variant, on chains of sparse factors."""

import time
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reprolib.graph import Graph


class PathMean(nn.Module):
    """Â x = (x + P x) / (1 + [the node has a path]): the mean over a meta-path with one self-loop."""

    def __init__(self, factors: list):
        super().__init__()
        self.graphs = nn.ModuleList(Graph(factor) for factor in factors)
        ones = torch.ones(factors[-1].shape[1], 1)
        self.register_buffer("reach", (self._chain(ones) > 0.5).float(), persistent=False)

    def _chain(self, x: Tensor) -> Tensor:
        for graph in reversed(self.graphs):
            x = graph(x.contiguous())
        return x

    def forward(self, x: Tensor) -> Tensor:
        """(N, d) to (N, d), differentiable in x."""
        return (x + self._chain(x)) / (1 + self.reach)


class HDGI(nn.Module):
    """Meta-path encoders, semantic attention, summary and bilinear discriminator (sheet, section 3, step 4).

    names     of the meta-paths, P of them
    width     d₀ of the nodes' vectors;  dim: d_p of a persona;  semantic: width of the attention's hidden layer
    One layer, one self-loop. With a single path the attention has nothing to choose: that is DGI.
    Parameters: P (d₀ d_p + d_p + 1) + d_p s + 2 s + d_p² + 1.
    """

    def __init__(self, names: list[str], *, width: int, dim: int, semantic: int = 8):
        super().__init__()
        self.names = list(names)
        self.weight = nn.ParameterList(nn.Parameter(torch.empty(width, dim)) for _ in names)
        self.bias = nn.ParameterList(nn.Parameter(torch.zeros(dim)) for _ in names)
        self.slope = nn.ParameterList(nn.Parameter(torch.tensor(0.25)) for _ in names)
        self.attention = nn.Linear(dim, semantic)
        self.query = nn.Parameter(torch.empty(semantic, 1))
        self.discriminator = nn.Parameter(torch.empty(dim, dim))
        self.offset = nn.Parameter(torch.zeros(()))
        for matrix in (*self.weight, self.query, self.discriminator):
            nn.init.xavier_uniform_(matrix)

    def activate(self, projected: Tensor, path: int) -> Tensor:
        """(N, d_p): PReLU(projected + b) of path number `path`; projected = Â X W."""
        return F.prelu(projected + self.bias[path], self.slope[path].reshape(1))

    def betas(self, views: list[Tensor]) -> Tensor:
        """(P,): softmax over paths of the mean over nodes of qᵀ tanh(W h + b); views: P times (N, d_p)."""
        scores = [(torch.tanh(self.attention(view)) @ self.query).mean() for view in views]
        return torch.stack(scores).softmax(0)

    def combine(self, views: list[Tensor], betas: Tensor) -> Tensor:
        """(N, d_p): Σ β_m H^(m)."""
        return sum(beta * view for beta, view in zip(betas, views, strict=True))

    def discriminate(self, nodes: Tensor, summary: Tensor) -> Tensor:
        """(N,): hᵀ W_D g + b."""
        return nodes @ (self.discriminator @ summary) + self.offset

    def loss(self, means: list[Tensor], paths: list[PathMean], x: Tensor, order: Tensor) -> Tensor:
        """L_HDGI: binary cross-entropy of true nodes against corrupted ones, both against the summary.

        means  P times Â^(m) X (N, d₀), computed once: nothing in them is trained
        order  (N,) permutation: the rows of X are shuffled, the graph stays
        The corrupted side is propagated after the projection: Â (X[order] W) = Â (X W)[order].
        """
        true = [
            self.activate(mean @ w, m)
            for m, (mean, w) in enumerate(zip(means, self.weight, strict=True))
        ]
        false = [
            self.activate(path((x @ w)[order]), m)
            for m, (path, w) in enumerate(zip(paths, self.weight, strict=True))
        ]
        true_nodes = self.combine(true, self.betas(true))
        false_nodes = self.combine(false, self.betas(false))
        summary = true_nodes.mean(0).sigmoid()
        logits = torch.cat(
            [self.discriminate(true_nodes, summary), self.discriminate(false_nodes, summary)]
        )
        labels = torch.cat([torch.ones(len(x)), torch.zeros(len(x))])
        return F.binary_cross_entropy_with_logits(logits, labels)


@dataclass
class Learned:
    """A trained HDGI and how its training went.

    model    with the weights of its lowest loss, in eval mode
    betas    (P,) attention over meta-paths, fixed when training ended
    nodes    (N, d_p) vectors of the nodes it was trained on
    losses   one per epoch;  ended: "patience" or "limit";  seconds of the training
    """

    model: HDGI
    betas: Tensor
    nodes: Tensor
    losses: list[float] = field(default_factory=list)
    ended: str = ""
    seconds: float = 0.0


def train_hdgi(
    x: Tensor,
    factors: dict[str, list],
    *,
    dim: int = 64,
    semantic: int = 8,
    epochs: int = 1000,
    patience: int = 50,
    lr: float = 1e-3,
    seed: int = 0,
) -> Learned:
    """Train HDGI without labels on node vectors x (N, d₀), one epoch = one step over all nodes.

    factors   {meta-path: its chain of sparse matrices, users to users}
    patience  epochs without a lower training loss after which it ends (as the official script)
    The random state of torch is left as it was.
    """
    started = time.perf_counter()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        paths = [PathMean(chain) for chain in factors.values()]
        model = HDGI(list(factors), width=x.shape[1], dim=dim, semantic=semantic)
        with torch.no_grad():
            means = [path(x) for path in paths]
        optimiser = torch.optim.Adam(model.parameters(), lr=lr)
        losses, best, weights, since, ended = [], float("inf"), None, 0, "limit"
        for _ in range(epochs):
            loss = model.loss(means, paths, x, torch.randperm(len(x)))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(float(loss.detach()))
            since += 1
            if losses[-1] < best:
                best, since = losses[-1], 0
                weights = {k: v.detach().clone() for k, v in model.state_dict().items()}
            if since >= patience:
                ended = "patience"
                break
    model.load_state_dict(weights)
    model.eval()
    with torch.no_grad():
        views = [
            model.activate(mean @ w, m)
            for m, (mean, w) in enumerate(zip(means, model.weight, strict=True))
        ]
        betas = model.betas(views)
        nodes = model.combine(views, betas)
    return Learned(model, betas, nodes, losses, ended, time.perf_counter() - started)
