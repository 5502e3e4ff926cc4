"""Train the detection network.

``python -m pipelines.train.detect --out DIR``: makes the ingredients (once; kept in DIR), trains, and writes
``encoder.onnx``, ``head.onnx`` and ``card.toml``. It resumes from DIR's checkpoint. Seeded throughout; on
one machine the result repeats up to the order of sums in threaded matrix products.
"""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import structlog
import torch

from pipelines.train.export import export
from pipelines.train.ingredients import IngredientsConfig, bank_templates, load_or_make
from pipelines.train.loss import TARGET_DELAY_FRAMES, detection_loss
from pipelines.train.network import Detector, NetworkConfig
from pipelines.train.sampler import FRAME_SAMPLES, Batch, Mixture, Sampler
from stream.types import FloatArray

log = structlog.get_logger()
N_FRAMES = 128


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """How long and how fast."""

    seed: int = 20150914
    steps: int = 4000
    batch: int = 64
    learning_rate: float = 2e-3
    warm_up_steps: int = 200
    threads: int = 2
    report_steps: int = 50
    checkpoint_steps: int = 500


def learning_rate(step: int, config: TrainConfig) -> float:
    """Return the rate at a step: linear warm-up, then half a cosine down to nearly nothing."""
    if step < config.warm_up_steps:
        return config.learning_rate * (step + 1) / config.warm_up_steps
    done = (step - config.warm_up_steps) / max(1, config.steps - config.warm_up_steps)
    return config.learning_rate * (0.5 * (1 + math.cos(math.pi * min(1.0, done))) + 0.005)


def window_samples(network: Detector) -> int:
    """Return the samples at 512 Hz that give ``N_FRAMES`` frames."""
    return (network.encoder.context_samples - 44) // 4 + FRAME_SAMPLES * N_FRAMES


def first_frame_sample(network: Detector) -> int:
    """Return the sample at 512 Hz at which the first frame's own samples begin."""
    return window_samples(network) - FRAME_SAMPLES * N_FRAMES


def make_sampler(network: Detector, ingredients: IngredientsConfig, out: Path, seed: int) -> Sampler:
    """Return the sampler of training windows; mergers stand where a target frame follows."""
    start = first_frame_sample(network)
    skip = network.config.head_frames
    merger_range = (start + skip * FRAME_SAMPLES, start + (N_FRAMES - TARGET_DELAY_FRAMES - 2) * FRAME_SAMPLES)
    realisations = load_or_make(ingredients, out / "ingredients")
    return Sampler(realisations, window_samples(network), merger_range, Mixture(), np.random.default_rng(seed))


def batch_loss(network: Detector, batch: Batch) -> tuple[torch.Tensor, dict[str, float]]:
    """Encode a batch and return its loss."""
    n_detectors, n, samples = batch.strain.shape
    inner = torch.from_numpy(batch.strain).reshape(n_detectors * n, 1, samples)
    embeddings, singles = network.encoder.from_inner(inner)
    frame = (torch.from_numpy(batch.merger_sample) - first_frame_sample(network)) // FRAME_SAMPLES
    frame = torch.where(torch.from_numpy(batch.merger_sample) >= 0, frame, -1)
    return detection_loss(
        network,
        embeddings.reshape(n_detectors, n, *embeddings.shape[1:]),
        singles.reshape(n_detectors, n, -1),
        frame,
        torch.from_numpy(batch.snrs).float(),
    )


def train(config: TrainConfig, sizes: NetworkConfig, ingredients: IngredientsConfig, out: Path) -> Detector:
    """Train, with a checkpoint every few hundred steps, and return the network."""
    torch.manual_seed(config.seed)
    torch.set_num_threads(config.threads)
    network = Detector(sizes)
    network.encoder.bank.weight.data = torch.from_numpy(bank_templates(sizes.templates, sizes.template_samples))[
        :, None
    ]
    optimizer = torch.optim.AdamW([p for p in network.parameters() if p.requires_grad], weight_decay=1e-4)
    checkpoint = out / "checkpoint.pt"
    first = 0
    if checkpoint.exists():
        kept = torch.load(checkpoint, weights_only=True)
        network.load_state_dict(kept["network"])
        optimizer.load_state_dict(kept["optimizer"])
        first = int(kept["step"])
    # A resumed run goes on to new draws instead of repeating the first ones.
    sampler = make_sampler(network, ingredients, out, config.seed + first)
    started, sums = time.monotonic(), np.zeros(3)
    for step in range(first, config.steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, config)
        loss, report = batch_loss(network, sampler.draw(config.batch))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimizer.step()
        sums += float(loss.detach()), report["found"], report["rang"]
        if (step + 1) % config.report_steps == 0:
            log.info("train_step", step=step + 1, **_progress(sums / config.report_steps, started))
            sums[:] = 0
        if (step + 1) % config.checkpoint_steps == 0 or step + 1 == config.steps:
            torch.save(
                {"network": network.state_dict(), "optimizer": optimizer.state_dict(), "step": step + 1}, checkpoint
            )
    return network


def _progress(means: FloatArray, started: float) -> dict[str, float]:
    loss, found, rang = (round(float(m), 4) for m in means)
    return {"loss": loss, "found": found, "rang": rang, "elapsed_s": round(time.monotonic() - started)}


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of ingredients, checkpoint and result")
    parser.add_argument("--steps", type=int, default=TrainConfig().steps)
    parser.add_argument("--realisations", type=int, default=IngredientsConfig().realisations)
    parser.add_argument("--threads", type=int, default=TrainConfig().threads)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    config = TrainConfig(steps=arguments.steps, threads=arguments.threads)
    ingredients = IngredientsConfig(realisations=arguments.realisations)
    network = train(config, NetworkConfig(), ingredients, arguments.out)
    provenance = {"training": asdict(config), "ingredients": asdict(ingredients), "mixture": asdict(Mixture())}
    export(network, arguments.out, provenance)


if __name__ == "__main__":
    main()
