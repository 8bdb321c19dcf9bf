"""Kinds of models: what is measured, what is configured, how large an image is, and what changes between versions."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

MB, GB = 10**6, 10**9
GPUS = ("train-gpu-7", "train-gpu-7", "train-gpu-2", "ci")
CPUS = ("train-cpu-1", "train-cpu-1", "train-cpu-1", "ci")
TORCH = {"pytorch_version": ("2.7.1", "2.8.0"), "cuda_version": ("12.6", "12.8")}
LIGHTGBM = {"lightgbm_version": ("4.5.0", "4.6.0"), "python_version": ("3.11.9", "3.12.7")}
COMMON_CHANGES = (
    "Retrained on another month of data.",
    "Near-duplicates removed from the training set.",
    "Labels reviewed by a second annotator.",
    "Learning rate and batch size tuned.",
)


class Curve(NamedTuple):
    """A number at this path of the metadata, in the first and in the last version.

    `ideal` is the best possible value. None is for a number that only grows and is neither better nor worse.
    """

    path: str
    first: float
    last: float
    ideal: float | None = 1.0


@dataclass(frozen=True)
class Kind:
    """What models of one kind have in common.

    `higher`, `lower` and `growing` map a path of the metadata to its number in the first and in the last version: better when
    higher (with the best possible value, if that is not 1), better when lower, and neither. `latency` is the p99 in milliseconds.
    `settings` holds the choices for each path, `frameworks` an older and a newer version of each; `size` is in bytes.
    """

    task: str
    dataset: str
    size: int
    samples: tuple[int, int]
    settings: dict[str, tuple[Any, ...]]
    changes: tuple[str, ...]
    higher: dict[str, tuple[float, ...]] = field(default_factory=dict)
    lower: dict[str, tuple[float, float]] = field(default_factory=dict)
    growing: dict[str, tuple[float, float]] = field(default_factory=dict)
    latency: tuple[float, float] | None = None
    frameworks: dict[str, tuple[str, str]] = field(default_factory=lambda: TORCH)
    hosts: tuple[str, ...] = GPUS
    quantizations: tuple[str | None, ...] = (None,)

    @cached_property
    def curves(self) -> list[Curve]:
        """Every number that is measured; the first one is what release notes report."""
        shares = {"p50": 0.38, "p95": 0.74, "p99": 1.0} if self.latency else {}
        first, last = self.latency or (0, 0)
        return [
            *(Curve(path, *numbers) for path, numbers in self.higher.items()),
            *(Curve(path, *numbers, ideal=0.0) for path, numbers in self.lower.items()),
            *(Curve(f"latency_ms.{name}", share * first, share * last, ideal=0.0) for name, share in shares.items()),
            *(Curve(path, *numbers, ideal=None) for path, numbers in self.growing.items()),
            Curve("training_samples", *self.samples, ideal=None),
        ]


TEXT = Kind(
    task="text-classification",
    dataset="reviews",
    size=740 * MB,
    higher={"accuracy": (0.886, 0.947), "f1": (0.861, 0.939), "eval.auc": (0.948, 0.983)},
    latency=(41, 27),
    samples=(128_000, 412_000),
    settings={"optimizer.lr": (2e-5, 3e-5), "batch_size": (32, 64), "epochs": (3, 4), "base_model": ("deberta-v3",)},
    changes=("Longer inputs: 512 tokens instead of 256.", "The tokenizer keeps emoji and hashtags."),
    quantizations=(None, None, "int8"),
)
CHAT = Kind(
    task="text-generation",
    dataset="instructions",
    size=16 * GB,
    higher={"eval.mmlu": (0.612, 0.671), "eval.gsm8k": (0.541, 0.706), "eval.mt_bench": (6.9, 8.1, 10)},
    lower={"eval.perplexity": (6.9, 5.7), "eval.refusal_rate": (0.071, 0.024)},
    growing={"tokens_per_second": (2050, 2500)},
    latency=(640, 410),
    samples=(310_000, 1_240_000),
    settings={"optimizer.lr": (1e-5, 8e-6, 5e-6), "lora.rank": (32, 64), "context_length": (8192,), "epochs": (2, 3)},
    changes=("Fewer refusals of harmless questions.", "Tool calls follow their JSON schema."),
    frameworks={**TORCH, "vllm_version": ("0.9.2", "0.10.1")},
    quantizations=(None, "fp8", "int8", "fp8"),
)
SPEECH = Kind(
    task="speech-recognition",
    dataset="calls",
    size=3_100 * MB,
    lower={"wer": (0.118, 0.073), "cer": (0.052, 0.031), "real_time_factor": (0.21, 0.12)},
    latency=(920, 610),
    samples=(86_000, 240_000),
    settings={"optimizer.lr": (1e-5, 5e-6), "decoding.beam_size": (5,), "languages": (["de", "en", "fr"],)},
    changes=("More telephone audio at 8 kHz.", "Silence no longer produces invented words."),
    quantizations=(None, "int8", "fp16"),
)
DETECTION = Kind(
    task="object-detection",
    dataset="line-cameras",
    size=210 * MB,
    higher={"map50": (0.742, 0.873), "map50_95": (0.488, 0.624), "recall": (0.811, 0.921), "f1": (0.792, 0.902)},
    latency=(38, 22),
    samples=(18_400, 64_200),
    settings={"optimizer.lr": (0.01, 0.005), "optimizer.momentum": (0.937,), "image_size": (640, 960)},
    changes=("Pictures of the night shift added.", "Stronger color augmentation for the new lamps."),
    frameworks={**TORCH, "tensorrt_version": ("10.9", "10.13")},
    quantizations=(None, "int8", "fp16"),
)
TABULAR = Kind(
    task="tabular-classification",
    dataset="transactions",
    size=310 * MB,
    higher={"auc": (0.931, 0.969), "f1": (0.742, 0.833), "precision": (0.781, 0.872), "recall": (0.706, 0.798)},
    lower={"calibration.ece": (0.031, 0.012)},
    latency=(6.4, 4.1),
    samples=(4_200_000, 9_800_000),
    settings={"params.num_leaves": (63, 127), "params.learning_rate": (0.05, 0.03), "features": (184, 196, 212)},
    changes=("Two leaking features removed.", "Scores calibrated by isotonic regression."),
    frameworks=LIGHTGBM,
    hosts=CPUS,
)
EMBEDDING = Kind(
    task="sentence-embedding",
    dataset="query-pairs",
    size=440 * MB,
    higher={"recall_at_10": (0.781, 0.874), "mrr": (0.612, 0.701), "ndcg_at_10": (0.664, 0.752)},
    latency=(18, 11),
    samples=(2_100_000, 5_600_000),
    settings={"optimizer.lr": (5e-5, 2e-5), "batch_size": (512, 1024), "dimensions": (768,)},
    changes=("Queries with spelling mistakes added.", "Titles and attributes are encoded together."),
)
RANKING = Kind(
    task="learning-to-rank",
    dataset="click-log",
    size=270 * MB,
    higher={"ndcg_at_10": (0.561, 0.648), "mrr": (0.503, 0.584), "click_through.offline": (0.214, 0.262)},
    latency=(14, 9),
    samples=(12_000_000, 31_000_000),
    settings={"params.objective": ("lambdarank",), "params.num_leaves": (127, 255), "features": (96, 104, 118)},
    changes=("Position bias in the click log is corrected.", "Dwell time counts as a grade."),
    frameworks=LIGHTGBM,
    hosts=CPUS,
)
RECOMMENDER = Kind(
    task="recommendation",
    dataset="baskets",
    size=1_900 * MB,
    higher={"hit_rate_at_20": (0.284, 0.361), "ndcg_at_20": (0.171, 0.226), "coverage": (0.43, 0.58)},
    latency=(26, 17),
    samples=(8_000_000, 22_000_000),
    settings={"optimizer.lr": (1e-3, 5e-4), "embedding_size": (128, 192), "negatives": (50, 100)},
    changes=("New items start from their text embedding.", "Popular items are sampled less."),
)
FORECAST = Kind(
    task="time-series-forecasting",
    dataset="daily-series",
    size=160 * MB,
    higher={"interval_coverage": (0.81, 0.893)},
    lower={"mape": (0.142, 0.094), "rmse": (41.5, 29.2)},
    latency=(900, 700),
    samples=(380_000, 720_000),
    settings={"optimizer.lr": (1e-3,), "horizon_days": (28,), "context_days": (182, 364)},
    changes=("School holidays of every region.", "Series with gaps are filled before training."),
    hosts=CPUS,
)
OCR = Kind(
    task="document-ocr",
    dataset="scans",
    size=1_200 * MB,
    higher={"accuracy": (0.903, 0.962), "fields.f1": (0.852, 0.931)},
    lower={"cer": (0.041, 0.019)},
    latency=(340, 220),
    samples=(42_000, 118_000),
    settings={"optimizer.lr": (3e-5, 2e-5), "image_size": (1280,), "languages": (["de", "en"],)},
    changes=("Photos from phones, not only scans.", "Upside-down pages are turned first."),
)
TTS = Kind(
    task="text-to-speech",
    dataset="studio-voices",
    size=620 * MB,
    higher={"mos": (3.92, 4.41, 5)},
    lower={"real_time_factor": (0.19, 0.09), "intelligibility.wer": (0.038, 0.021)},
    latency=(280, 170),
    samples=(21_000, 54_000),
    settings={"optimizer.lr": (2e-4, 1e-4), "sample_rate": (24_000,), "voices": (4, 6)},
    changes=("Numbers and units are read out in full.", "A second female voice."),
)
TRANSLATION = Kind(
    task="translation",
    dataset="parallel-corpus",
    size=1_400 * MB,
    higher={"bleu": (34.2, 41.1, 100), "comet": (0.812, 0.874), "chrf": (60.3, 66.2, 100)},
    latency=(210, 140),
    samples=(6_400_000, 14_000_000),
    settings={"optimizer.lr": (1e-3, 5e-4), "batch_tokens": (16_384, 32_768), "languages": (["de", "en"],)},
    changes=("Terminology of the help pages.", "Formal address throughout."),
    quantizations=(None, "int8"),
)
