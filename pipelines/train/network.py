"""The detection network: one encoder shared by all detectors, and a head that ranks pairs of embeddings.

Encoder, causal, whitened strain at 2048 Hz in, frames at 128 Hz out::

    anti-alias FIR, fixed ── 512 Hz ── soft clip ─┬─ template filters (cos, sin; 1 s) ── modulus ── 128 Hz ─┐
                                                  └─ two small convolutions ───────────────── 128 Hz ─┴─ mix
    ── dilated causal residual blocks ── embedding (dim) and single-detector statistic, per frame

The template filters start as whitened binary-black-hole templates (a matched filter is a convolution) and are
trained on with everything else, as the dilated blocks learn what chi-squared tests do by hand: whether the
moduli rise and fall together as a signal's do.

Head: for a pair of detectors, a symmetric function of the two embeddings around a frame. The network statistic
of any set of detectors is the sum of single statistics and pair terms, so one model serves one to four
detectors, and a time slide runs the head alone.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
from scipy import signal
from torch import Tensor, nn

INPUT_RATE_HZ = 2048
INNER_RATE_HZ = 512
FRAME_RATE_HZ = 128
_DECIMATOR_TAPS = 48


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """Sizes of the network."""

    templates: int = 48
    template_samples: int = 512
    raw_channels: int = 16
    channels: int = 40
    dilations: tuple[int, ...] = (1, 2, 4, 8, 16)
    embedding: int = 12
    head_hidden: int = 24
    head_frames: int = 5

    def as_dict(self) -> dict[str, object]:
        """Return the sizes, for the card."""
        return asdict(self)


class ResidualBlock(nn.Module):
    """Causal dilated convolution of width 3, then a mix, added to the input's later part."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.reach = 2 * dilation
        self.conv = nn.Conv1d(channels, channels, 3, dilation=dilation)
        self.mix = nn.Conv1d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, channels, frames) to (n, channels, frames - reach)."""
        y: Tensor = self.mix(nn.functional.gelu(self.conv(x)))
        return x[..., self.reach :] + y


class Encoder(nn.Module):
    """Whitened strain (n, 1, samples) to embedding (n, dim, frames) and single statistic (n, frames)."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.decimator = nn.Conv1d(1, 1, _DECIMATOR_TAPS, stride=INPUT_RATE_HZ // INNER_RATE_HZ, bias=False)
        taps = signal.firwin(_DECIMATOR_TAPS, 220.0, fs=INPUT_RATE_HZ)
        self.decimator.weight.data = torch.tensor(taps[::-1].copy(), dtype=torch.float32)[None, None]
        self.decimator.weight.requires_grad_(False)
        self.bank = nn.Conv1d(1, 2 * config.templates, config.template_samples, stride=2, bias=False)
        self.raw1 = nn.Conv1d(1, config.raw_channels, 16, stride=2)
        self.raw2 = nn.Conv1d(config.raw_channels, config.raw_channels, 8, stride=2)
        self.mix = nn.Conv1d(config.templates + config.raw_channels, config.channels, 1)
        self.blocks = nn.Sequential(*(ResidualBlock(config.channels, d) for d in config.dilations))
        self.embed = nn.Conv1d(config.channels, config.embedding, 1)
        self.single = nn.Sequential(nn.Conv1d(config.embedding, 24, 1), nn.GELU(), nn.Conv1d(24, 1, 1))

    @property
    def context_samples(self) -> int:
        """Input samples needed before the first frame's own samples."""
        stride = INPUT_RATE_HZ // FRAME_RATE_HZ
        reach_frames = sum(2 * d for d in self.config.dilations)
        inner = self.config.template_samples + 2 - INNER_RATE_HZ // FRAME_RATE_HZ  # two moduli make one frame
        return reach_frames * stride + inner * 4 + (_DECIMATOR_TAPS - 4)

    def decimate(self, x: Tensor) -> Tensor:
        """Return the strain at 512 Hz, unit variance."""
        inner: Tensor = self.decimator(x) * 2.1
        return inner

    def features(self, inner: Tensor) -> Tensor:
        """Map strain at 512 Hz to the mixed features at 128 Hz."""
        clipped = 12.0 * torch.tanh(inner / 12.0)
        z = self.bank(clipped)
        n = self.config.templates
        modulus = torch.sqrt(z[:, :n] ** 2 + z[:, n:] ** 2 + 1e-4)
        modulus = nn.functional.max_pool1d(modulus, 2, 2)
        raw = self.raw2(nn.functional.gelu(self.raw1(clipped)))
        joined = torch.cat([modulus * 0.3, nn.functional.gelu(raw[..., -modulus.shape[-1] :])], dim=1)
        mixed: Tensor = self.mix(joined)
        return mixed

    def from_inner(self, inner: Tensor) -> tuple[Tensor, Tensor]:
        """Encode strain that is already at 512 Hz (training keeps it so)."""
        embedding = self.embed(self.blocks(self.features(inner)))
        return embedding, self.single(embedding)[:, 0]

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Encode whitened strain at 2048 Hz."""
        return self.from_inner(self.decimate(x))


class PairHead(nn.Module):
    """Symmetric coincidence term of two embeddings (n, dim, frames) -> (n, frames - head_frames + 1)."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.conv = nn.Conv1d(3 * config.embedding, config.head_hidden, config.head_frames)
        self.out = nn.Sequential(
            nn.GELU(), nn.Conv1d(config.head_hidden, config.head_hidden, 1), nn.GELU(),
            nn.Conv1d(config.head_hidden, 1, 1),
        )  # fmt: skip

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Rank a pair; exchanging the detectors changes nothing."""
        joined = torch.cat([a + b, torch.abs(a - b), a * b], dim=1)
        ranked: Tensor = self.out(self.conv(joined))[:, 0]
        return ranked


class Detector(nn.Module):
    """Encoder and head together, as they are trained."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.pair = PairHead(config)

    def statistic(self, embeddings: list[Tensor], singles: list[Tensor]) -> Tensor:
        """Return the statistic (n, frames) of a set of detectors: single terms and all pairs."""
        skip = self.config.head_frames - 1
        total = torch.stack([s[..., skip:] for s in singles]).sum(0)
        for i in range(len(embeddings)):
            for j in range(i + 1, len(embeddings)):
                total = total + self.pair(embeddings[i], embeddings[j])
        return total
