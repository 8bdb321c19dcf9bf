"""What models of one kind have in common: what is measured, what is set, how large they are, what changes between versions."""

from typing import Any, NamedTuple

MB, GB = 10**6, 10**9
GPUS = ("train-gpu-7", "train-gpu-7", "train-gpu-2", "ci")
CPUS = ("train-cpu-1", "train-cpu-1", "train-cpu-1", "ci")


class Curve(NamedTuple):
    """How a number at this path goes from the first version to the last.

    `ideal` is what it can get to at best; None is for what only grows, as the samples, and is never worse than before.
    """

    path: str
    first: float
    last: float
    noise: float = 0.0
    digits: int = 4
    ideal: float | None = 1.0


class Kind(NamedTuple):
    """`settings` are the choices a version makes at each path; `frameworks` are the older and the newer one."""

    task: str
    dataset: str
    curves: tuple[Curve, ...]
    settings: dict[str, tuple[Any, ...]]
    frameworks: dict[str, tuple[str, str]]
    size: int
    changes: tuple[str, ...]
    hosts: tuple[str, ...] = GPUS
    quantizations: tuple[str | None, ...] = (None,)


TORCH = {"pytorch_version": ("2.7.1", "2.8.0"), "cuda_version": ("12.6", "12.8")}
LIGHTGBM = {"lightgbm_version": ("4.5.0", "4.6.0"), "python_version": ("3.11.9", "3.12.7")}


def below(path: str, first: float, last: float, noise: float, digits: int = 4) -> Curve:
    """A number that is better the lower it is."""
    return Curve(path, first, last, noise, digits, ideal=0.0)


def latency(first: float, last: float) -> tuple[Curve, ...]:
    """The three of `latency_ms`, from the p99 of the first and of the last version."""
    shares = {"p50": 0.38, "p95": 0.74, "p99": 1.0}
    return tuple(
        below(f"latency_ms.{name}", share * first, share * last, share * last * 0.03, 1)
        for name, share in shares.items()
    )


def samples(first: float, last: float) -> Curve:
    return Curve("training_samples", first, last, digits=0, ideal=None)


KINDS = {
    "text": Kind(
        task="text-classification",
        dataset="reviews",
        curves=(
            Curve("accuracy", 0.886, 0.947, 0.003),
            Curve("f1", 0.861, 0.939, 0.004),
            Curve("eval.auc", 0.948, 0.983, 0.002),
            *latency(41, 27),
            samples(128_000, 412_000),
        ),
        settings={
            "optimizer.name": ("adamw",),
            "optimizer.lr": (2e-5, 2e-5, 3e-5),
            "optimizer.weight_decay": (0.01,),
            "batch_size": (32, 64),
            "epochs": (3, 4),
            "base_model": ("deberta-v3-base",),
        },
        frameworks=TORCH,
        size=int(0.74 * GB),
        changes=(
            "Retrained on another month of labelled data.",
            "Labels of the neutral class reviewed by two annotators.",
            "Longer inputs: 512 tokens where it was 256.",
            "Emoji and hashtags are kept by the tokenizer now.",
            "Class weights for the rare classes.",
            "Near-duplicates removed from the training set.",
        ),
        quantizations=(None, None, "int8"),
    ),
    "chat": Kind(
        task="text-generation",
        dataset="instructions",
        curves=(
            Curve("eval.mmlu", 0.612, 0.671, 0.003),
            Curve("eval.gsm8k", 0.541, 0.706, 0.006),
            Curve("eval.mt_bench", 6.9, 8.1, 0.05, 2, ideal=10.0),
            below("eval.perplexity", 6.9, 5.7, 0.04, 3),
            below("eval.refusal_rate", 0.071, 0.024, 0.002),
            Curve("tokens_per_second", 2050, 2500, digits=0, ideal=None),
            *latency(640, 410),
            samples(310_000, 1_240_000),
        ),
        settings={
            "optimizer.name": ("adamw",),
            "optimizer.lr": (1e-5, 8e-6, 5e-6),
            "lora.rank": (32, 64),
            "lora.alpha": (64,),
            "context_length": (8192,),
            "epochs": (2, 3),
        },
        frameworks={**TORCH, "vllm_version": ("0.9.2", "0.10.1")},
        size=16 * GB,
        changes=(
            "Tool calls follow the JSON schema they are given.",
            "Preference tuning on the last quarter's rated answers.",
            "Fewer refusals of harmless questions.",
            "Chat template corrected: the system prompt is no longer repeated.",
            "Longer conversations in the training mix.",
            "Answers in the language of the question.",
        ),
        quantizations=(None, "fp8", "int8", "fp8"),
    ),
    "speech": Kind(
        task="speech-recognition",
        dataset="calls",
        curves=(
            below("wer", 0.118, 0.073, 0.002),
            below("cer", 0.052, 0.031, 0.001),
            below("real_time_factor", 0.21, 0.12, 0.005, 3),
            *latency(920, 610),
            samples(86_000, 240_000),
        ),
        settings={
            "optimizer.name": ("adamw",),
            "optimizer.lr": (1e-5, 5e-6),
            "decoding.beam_size": (5,),
            "decoding.vad": (True,),
            "languages": (["de", "en", "fr"],),
        },
        frameworks=TORCH,
        size=int(3.1 * GB),
        changes=(
            "More telephone audio at 8 kHz.",
            "Silence no longer gives invented words.",
            "Numbers and dates are written as figures.",
            "Noise of open offices added in training.",
            "A word list for product names.",
        ),
        quantizations=(None, "int8", "fp16"),
    ),
    "detection": Kind(
        task="object-detection",
        dataset="line-cameras",
        curves=(
            Curve("map50", 0.742, 0.873, 0.006),
            Curve("map50_95", 0.488, 0.624, 0.006),
            Curve("recall", 0.811, 0.921, 0.005),
            Curve("f1", 0.792, 0.902, 0.005),
            *latency(38, 22),
            samples(18_400, 64_200),
        ),
        settings={
            "optimizer.name": ("sgd",),
            "optimizer.lr": (0.01, 0.005),
            "optimizer.momentum": (0.937,),
            "image_size": (640, 640, 960),
            "epochs": (120, 150),
            "augmentation.mosaic": (True,),
        },
        frameworks={**TORCH, "tensorrt_version": ("10.9", "10.13")},
        size=int(0.21 * GB),
        changes=(
            "Pictures of the night shift added.",
            "Scratches under 2 mm are labelled now.",
            "Stronger colour augmentation against the new lamps.",
            "Boxes at the picture's edge are no longer dropped.",
            "Hard negatives from the last month of production.",
        ),
        quantizations=(None, "int8", "fp16"),
    ),
    "tabular": Kind(
        task="tabular-classification",
        dataset="transactions",
        curves=(
            Curve("auc", 0.931, 0.969, 0.002),
            Curve("f1", 0.742, 0.833, 0.005),
            Curve("precision", 0.781, 0.872, 0.006),
            Curve("recall", 0.706, 0.798, 0.006),
            below("calibration.ece", 0.031, 0.012, 0.001),
            *latency(6.4, 4.1),
            samples(4_200_000, 9_800_000),
        ),
        settings={
            "params.num_leaves": (63, 127),
            "params.learning_rate": (0.05, 0.03),
            "params.n_estimators": (800, 1200, 1500),
            "params.min_child_samples": (40,),
            "features": (184, 196, 212),
        },
        frameworks=LIGHTGBM,
        size=int(0.31 * GB),
        changes=(
            "Features of the device's history over 30 days.",
            "Labels up to the end of last month.",
            "Merchant category as a target-encoded feature.",
            "Two leaking features removed.",
            "Scores calibrated by isotonic regression.",
            "Time-based split instead of a random one.",
        ),
        hosts=CPUS,
    ),
    "embedding": Kind(
        task="sentence-embedding",
        dataset="query-pairs",
        curves=(
            Curve("recall_at_10", 0.781, 0.874, 0.004),
            Curve("mrr", 0.612, 0.701, 0.004),
            Curve("ndcg_at_10", 0.664, 0.752, 0.004),
            *latency(18, 11),
            samples(2_100_000, 5_600_000),
        ),
        settings={
            "optimizer.name": ("adamw",),
            "optimizer.lr": (5e-5, 2e-5),
            "batch_size": (512, 1024),
            "dimensions": (768,),
            "loss": ("multiple-negatives",),
        },
        frameworks=TORCH,
        size=int(0.44 * GB),
        changes=(
            "Hard negatives mined with the version before.",
            "Queries with spelling mistakes added.",
            "Pairs from clicks of the last eight weeks.",
            "Temperature of the loss tuned.",
            "Titles and attributes are encoded together.",
        ),
    ),
    "ranking": Kind(
        task="learning-to-rank",
        dataset="click-log",
        curves=(
            Curve("ndcg_at_10", 0.561, 0.648, 0.003),
            Curve("mrr", 0.503, 0.584, 0.004),
            Curve("click_through.offline", 0.214, 0.262, 0.002),
            *latency(14, 9),
            samples(12_000_000, 31_000_000),
        ),
        settings={
            "params.objective": ("lambdarank",),
            "params.num_leaves": (127, 255),
            "params.learning_rate": (0.05,),
            "features": (96, 104, 118),
        },
        frameworks=LIGHTGBM,
        size=int(0.27 * GB),
        changes=(
            "Position bias is corrected in the click log.",
            "Freshness as a feature.",
            "Availability per warehouse as a feature.",
            "Dwell time counts as a grade.",
            "Retrained on the last six weeks.",
        ),
        hosts=CPUS,
    ),
    "recommender": Kind(
        task="recommendation",
        dataset="baskets",
        curves=(
            Curve("hit_rate_at_20", 0.284, 0.361, 0.004),
            Curve("ndcg_at_20", 0.171, 0.226, 0.003),
            Curve("coverage", 0.43, 0.58, 0.006),
            *latency(26, 17),
            samples(8_000_000, 22_000_000),
        ),
        settings={
            "optimizer.name": ("adam",),
            "optimizer.lr": (1e-3, 5e-4),
            "embedding_size": (128, 192),
            "negatives": (50, 100),
        },
        frameworks=TORCH,
        size=int(1.9 * GB),
        changes=(
            "New items start from their text embedding.",
            "Baskets older than a year are left out.",
            "Popular items are sampled less.",
            "Sessions without an account are trained on too.",
        ),
    ),
    "forecast": Kind(
        task="time-series-forecasting",
        dataset="daily-series",
        curves=(
            below("mape", 0.142, 0.094, 0.002),
            below("rmse", 41.5, 29.2, 0.7, 2),
            Curve("interval_coverage", 0.81, 0.893, 0.006, 4),
            samples(380_000, 720_000),
        ),
        settings={
            "optimizer.name": ("adam",),
            "optimizer.lr": (1e-3,),
            "horizon_days": (28,),
            "context_days": (182, 364),
            "quantiles": ([0.1, 0.5, 0.9],),
        },
        frameworks=TORCH,
        size=int(0.16 * GB),
        changes=(
            "School holidays of every region.",
            "Promotions are known to the model four weeks ahead.",
            "Weather forecasts as a covariate.",
            "Series with gaps are filled before training.",
            "Trained up to the end of last month.",
        ),
        hosts=CPUS,
    ),
    "ocr": Kind(
        task="document-ocr",
        dataset="scans",
        curves=(
            Curve("accuracy", 0.903, 0.962, 0.003),
            below("cer", 0.041, 0.019, 0.001),
            Curve("fields.f1", 0.852, 0.931, 0.004),
            *latency(340, 220),
            samples(42_000, 118_000),
        ),
        settings={
            "optimizer.name": ("adamw",),
            "optimizer.lr": (3e-5, 2e-5),
            "image_size": (1280,),
            "languages": (["de", "en"],),
        },
        frameworks=TORCH,
        size=int(1.2 * GB),
        changes=(
            "Photos from phones, not only scans.",
            "Totals with a currency in front are read.",
            "Pages that lie upside down are turned first.",
            "Tables without lines.",
        ),
    ),
    "tts": Kind(
        task="text-to-speech",
        dataset="studio-voices",
        curves=(
            Curve("mos", 3.92, 4.41, 0.02, 2, ideal=5.0),
            below("real_time_factor", 0.19, 0.09, 0.005, 3),
            below("intelligibility.wer", 0.038, 0.021, 0.001),
            *latency(280, 170),
            samples(21_000, 54_000),
        ),
        settings={
            "optimizer.name": ("adamw",),
            "optimizer.lr": (2e-4, 1e-4),
            "sample_rate": (24000,),
            "voices": (4, 6),
        },
        frameworks=TORCH,
        size=int(0.62 * GB),
        changes=(
            "Numbers and units are read out in full.",
            "Longer pauses between paragraphs.",
            "A second female voice.",
            "Less hiss in the first 100 ms.",
        ),
    ),
    "translation": Kind(
        task="translation",
        dataset="parallel-corpus",
        curves=(
            Curve("bleu", 34.2, 41.1, 0.3, 1, ideal=100.0),
            Curve("comet", 0.812, 0.874, 0.003),
            Curve("chrf", 60.3, 66.2, 0.2, 1, ideal=100.0),
            *latency(210, 140),
            samples(6_400_000, 14_000_000),
        ),
        settings={
            "optimizer.name": ("adafactor",),
            "optimizer.lr": (1e-3, 5e-4),
            "batch_tokens": (16384, 32768),
            "languages": (["de", "en"],),
        },
        frameworks=TORCH,
        size=int(1.4 * GB),
        changes=(
            "Terminology of the help pages.",
            "Back-translated support tickets.",
            "Sentences with mark-up keep their tags.",
            "Formal address throughout.",
        ),
        quantizations=(None, "int8"),
    ),
}
