"""The learning rate over the steps of a training."""

import math

import torch


class Schedule:
    """Sets the learning rates of an optimiser before each step.

    warmup_steps  steps in which the rates rise linearly
    decay         "none", "linear" or "cosine": how they fall to 0 at the end of the last epoch of the limit
    """

    def __init__(self, optimiser: torch.optim.Optimizer, warmup_steps: int, decay: str):
        self.optimiser = optimiser
        self.warmup_steps = warmup_steps
        self.decay = decay
        self.full_rates = [group["lr"] for group in optimiser.param_groups]

    def set_rates(self, step: int, done: float) -> None:
        """Set the rates of step number `step`, counted from 0, when the share `done` of the training is over."""
        share = rate_share(step, done, self.warmup_steps, self.decay)
        for group, full_rate in zip(self.optimiser.param_groups, self.full_rates, strict=True):
            group["lr"] = share * full_rate


def rate_share(step: int, done: float, warmup_steps: int, decay: str) -> float:
    """The share of the full learning rate at a step; arguments as for `Schedule`."""
    warm = min(1.0, (step + 1) / (warmup_steps + 1))
    if decay == "linear":
        return warm * (1 - done)
    if decay == "cosine":
        return warm * (1 + math.cos(math.pi * done)) / 2
    return warm
