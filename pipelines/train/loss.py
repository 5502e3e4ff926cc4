"""The loss: in each window and for each set of detectors, the merger's frames against the loudest other frame.

For a set's statistic ``s`` over frames: ``softplus(-lse(s at the merger)) + softplus(lse(s elsewhere))``, where
lse is log-sum-exp, a soft maximum. The second term works on the loudest background, which is what a false-alarm
rate counts; frames between (the rise and fall of a real peak) are left alone.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import softplus

from pipelines.train.network import Detector

# Frames (128 Hz) from merger to the end of the frame that must ring: template tail, filters, one to spare.
TARGET_DELAY_FRAMES = 10
_HALF_TARGET = 1
_HALF_IGNORED = 7
SETS: tuple[tuple[tuple[int, ...], float], ...] = (
    ((0, 1), 1.0), ((0, 1, 2), 0.5), ((0, 2), 0.25), ((1, 2), 0.25), ((0,), 0.25), ((1,), 0.25), ((2,), 0.1),
)  # fmt: skip
_MIN_SNR = 5.0
_BIG = 1e4


def masks(merger_frame: Tensor, n_frames: int) -> tuple[Tensor, Tensor]:
    """Return boolean masks (n, n_frames): target frames, and frames that must be quiet."""
    frames = torch.arange(n_frames)[None, :]
    offset = frames - (merger_frame[:, None] + TARGET_DELAY_FRAMES)
    present = merger_frame[:, None] >= 0
    target = present & (offset.abs() <= _HALF_TARGET)
    quiet = ~present | (offset.abs() > _HALF_IGNORED)
    return target, quiet


def detection_loss(
    network: Detector, embeddings: Tensor, singles: Tensor, merger_frame: Tensor, snrs: Tensor
) -> tuple[Tensor, dict[str, float]]:
    """Return the loss and, for the progress line, the accuracy of the first set.

    Parameters
    ----------
    embeddings : tensor (3, n, dim, frames)
    singles : tensor (3, n, frames)
    merger_frame : tensor of int64 (n,)
        Frame that holds the merger, counted on the embeddings' frames; -1 for none.
    snrs : tensor (n, 3)
    """
    skip = network.config.head_frames - 1
    target, quiet = masks(torch.where(merger_frame >= 0, merger_frame - skip, -1), embeddings.shape[-1] - skip)
    total = torch.zeros(())
    report: dict[str, float] = {}
    for members, weight in SETS:
        statistic = network.statistic([embeddings[d] for d in members], [singles[d] for d in members])
        loud = torch.sqrt((snrs[:, list(members)] ** 2).sum(1)) >= _MIN_SNR
        lse_target = torch.logsumexp(statistic.masked_fill(~target, -_BIG), 1)
        lse_quiet = torch.logsumexp(statistic.masked_fill(~quiet, -_BIG), 1)
        positive = loud & (merger_frame >= 0)
        total = total + weight * (softplus(-lse_target) * positive).mean() + weight * softplus(lse_quiet).mean()
        if members == (0, 1):
            report["found"] = float((lse_target[positive] > 0).float().mean())
            report["rang"] = float((lse_quiet > 0).float().mean())
    return total, report
