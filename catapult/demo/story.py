"""The models that the demo tells of, each in a few words. What happened to them is made of this in `timeline.py`."""

from typing import Any, NamedTuple

from catapult.tables import RELEASE

SEED = "catapult"

HOSTS = {
    "train-gpu-7": "10.20.4.17",
    "train-gpu-2": "10.20.4.12",
    "train-cpu-1": "10.20.4.31",
    "ci": "10.20.8.5",
    "ci-releases": "10.20.8.6",
    "release-eng": "10.20.1.44",
}
"""The keys' names, and from where each of them calls."""
RELEASERS = ("release-eng", "ci-releases", "release-eng")
DEVELOPMENT, STAGING, PRODUCTION = "development", "staging", "production"


class Back(NamedTuple):
    """How many good versions back from the newest one is the last in staging, released, in production; None for none."""

    staging: int | None = 0
    released: int | None = 0
    production: int | None = 0


class Told(NamedTuple):
    """One model: `began` days and its newest version `newest` hours before now."""

    name: str
    kind: str
    description: str
    tags: tuple[str, ...]
    versions: int
    began: float
    newest: float
    back: Back = Back()
    first: tuple[int, int, int] = (1, 0, 0)
    developed: bool = True  # goes to development by itself
    platform: str = "linux/amd64"
    git: str | None = "https://git.example.com/ml"
    storage: str | None = None  # where it is no registry
    malformed: tuple[int, ...] = ()  # versions whose digest somebody typed by hand
    demoted: str | None = None  # why the last release was taken back
    withdrawn: bool = False  # the newest is worse and archived
    under_way: tuple[str, str] | None = None  # environment and status of what is just going on

    @property
    def slug(self) -> str:
        return self.name.rsplit("/", 1)[-1]

    @property
    def registry(self) -> str:
        """Where its images are: one folder an organisation."""
        return f"docker.io/{self.name}" if self.name.startswith("myorg/") else f"ghcr.io/myorg/{self.name}"

    @property
    def places(self) -> dict[str, Any]:
        """The model's `storage_path` and `repository`."""
        if self.storage:
            return {"storage_path": self.storage, "repository": None}
        return {"storage_path": self.registry, "repository": self.registry}


MODELS = (
    Told(
        "myorg/sentiment-model",
        "text",
        "Sentiment of product reviews in German and English: negative, neutral, positive.",
        ("nlp", "reviews", "gpu"),
        versions=28,
        began=181,
        newest=3,
        back=Back(1, 3, 3),
        malformed=(0, 1),
        under_way=(STAGING, "running"),
    ),
    Told(
        "myorg/llama-3-8b-chat",
        "chat",
        "Chat model of the help desk, tuned from Llama 3 8B. Served in fp8; int8 is for the small GPUs.",
        ("llm", "chat", "gpu"),
        versions=18,
        began=168,
        newest=20,
        back=Back(1, 2, 2),
        git="https://git.example.com/llm",
    ),
    Told(
        "myorg/whisper-asr",
        "speech",
        "Transcribes support calls. German, English and French.",
        ("speech", "asr", "gpu"),
        versions=14,
        began=174,
        newest=70,
        back=Back(0, 1, 1),
        git="https://git.example.com/speech",
    ),
    Told(
        "risk/fraud-gbm",
        "tabular",
        "Scores card payments for fraud before they are authorised. Answers within 10 ms.",
        ("risk", "tabular", "pci"),
        versions=30,
        began=182,
        newest=9,
        back=Back(1, 2, 2),
        first=(3, 4, 0),
        git="https://git.example.com/risk",
    ),
    Told(
        "vision/defect-net",
        "detection",
        "Finds scratches, dents and missing screws on the assembly line.",
        ("vision", "edge", "line-3"),
        versions=22,
        began=176,
        newest=28,
        back=Back(0, 2, 3),
        first=(0, 6, 0),
        git="https://git.example.com/vision",
        under_way=(PRODUCTION, "pending"),
    ),
    Told(
        "search/query-encoder",
        "embedding",
        "Turns search queries into 768 numbers; the products' side is search/product-embeddings.",
        ("search", "embeddings"),
        versions=16,
        began=160,
        newest=52,
        back=Back(0, 1, 1),
        git="https://git.example.com/search",
    ),
    Told(
        "search/query-ranker",
        "ranking",
        "Puts the 200 best candidates in order.",
        ("search", "ranking"),
        versions=19,
        began=171,
        newest=120,
        back=Back(0, 1, 1),
        first=(2, 8, 0),
        git="https://git.example.com/search",
        demoted="Click-through fell by 4 % in the first hours after the release.",
    ),
    Told(
        "shop/next-basket",
        "recommender",
        "What a customer may want next, from the last ten baskets.",
        ("shop", "recommender", "gpu"),
        versions=13,
        began=150,
        newest=96,
        git="https://git.example.com/shop",
    ),
    Told(
        "shop/demand-forecast",
        "forecast",
        "Daily sales of each article and warehouse for the next 28 days.",
        ("shop", "forecast", "nightly"),
        versions=24,
        began=179,
        newest=14,
        back=Back(0, 0, 1),
        git="https://git.example.com/shop",
    ),
    Told(
        "docs/invoice-ocr",
        "ocr",
        "Reads supplier invoices: number, date, lines, totals, IBAN.",
        ("documents", "ocr"),
        versions=11,
        began=140,
        newest=180,
        back=Back(0, 1, 1),
        git=None,
    ),
    Told(
        "voice/tts-narrator",
        "tts",
        "Reads articles aloud in six voices.",
        ("speech", "tts", "gpu"),
        versions=9,
        began=120,
        newest=230,
        first=(0, 3, 0),
        git="https://git.example.com/speech",
    ),
    Told(
        "myorg/translate-de-en",
        "translation",
        "German to English for tickets and help pages.",
        ("nlp", "translation", "gpu"),
        versions=12,
        began=155,
        newest=300,
        back=Back(0, 0, 0),
        withdrawn=True,
    ),
    Told(
        "myorg/intent-router",
        "text",
        "Sends a message to the right team: 42 intents.",
        ("nlp", "help-desk"),
        versions=15,
        began=132,
        newest=44,
        back=Back(0, 1, 1),
        first=(1, 2, 0),
    ),
    Told(
        "myorg/toxicity-filter",
        "text",
        "Holds back comments that hurt people. Errs on the side of asking a moderator.",
        ("nlp", "moderation"),
        versions=10,
        began=98,
        newest=260,
        git=None,
    ),
    Told(
        "risk/credit-score-gbm",
        "tabular",
        "Probability of default within twelve months. Every release is signed off by the risk board.",
        ("risk", "tabular", "regulated"),
        versions=12,
        began=178,
        newest=410,
        back=Back(0, 1, 1),
        first=(5, 1, 0),
        git="https://git.example.com/risk",
    ),
    Told(
        "risk/chargeback-gbm",
        "tabular",
        "Which payments come back. Still packed by hand; moves to the registry this year.",
        ("risk", "tabular", "legacy"),
        versions=7,
        began=165,
        newest=900,
        back=Back(None, 0, 0),
        developed=False,
        git="git@git.example.com:risk",
        storage="s3://model-store/risk/chargeback-gbm",
        malformed=(2, 5),
    ),
    Told(
        "vision/plate-reader",
        "ocr",
        "Number plates at the gate, day and night.",
        ("vision", "ocr", "edge"),
        versions=6,
        began=84,
        newest=340,
        back=Back(0, 0, None),
        first=(0, 1, 0),
        platform="linux/arm64",
        git="https://git.example.com/vision",
    ),
    Told(
        "vision/pallet-counter",
        "detection",
        "Counts pallets from the yard's cameras, on small arm64 boxes.",
        ("vision", "edge", "arm64"),
        versions=17,
        began=126,
        newest=33,
        back=Back(1, 1, 2),
        platform="linux/arm64",
        git="https://git.example.com/vision",
    ),
    Told(
        "vision/product-tagger",
        "detection",
        "Colour, shape and material from a product's pictures.",
        ("vision", "shop"),
        versions=8,
        began=75,
        newest=150,
        git="https://git.example.com/vision",
    ),
    Told(
        "search/product-embeddings",
        "embedding",
        "The products' side of the search: nightly for the whole catalogue.",
        ("search", "embeddings", "nightly"),
        versions=10,
        began=110,
        newest=62,
        git="https://git.example.com/search",
    ),
    Told(
        "myorg/ticket-summarizer",
        "chat",
        "Three sentences about a ticket for whoever takes it over.",
        ("llm", "help-desk", "gpu"),
        versions=8,
        began=58,
        newest=26,
        back=Back(1, 2, 2),
        first=(0, 2, 0),
        git="git@git.example.com:llm",
    ),
    Told(
        "energy/load-forecast",
        "forecast",
        "Load of the cold stores by quarter-hour, a day ahead.",
        ("energy", "forecast"),
        versions=9,
        began=104,
        newest=40,
        back=Back(0, 0, None),
        first=(0, 9, 0),
    ),
    Told(
        "voice/meeting-asr",
        "speech",
        "Minutes of meetings: who said what. A trial.",
        ("speech", "asr", "trial"),
        versions=3,
        began=17,
        newest=80,
        back=Back(None, None, None),
        first=(0, 1, 0),
        git="https://git.example.com/speech",
    ),
    Told(
        "myorg/code-assist-1b",
        "chat",
        "Completes lines in the notebooks. The first training run is under way.",
        ("llm", "code", "trial"),
        versions=0,
        began=1.2,
        newest=0,
    ),
)

OWNER = "release-eng"
"""Whose key wrote the gates."""

GATES: tuple[dict[str, Any], ...] = (
    {"model": "myorg/*", "target": PRODUCTION, "kind": "released"},
    {"model": "risk/*", "target": PRODUCTION, "kind": "released"},
    {"model": "myorg/llama-*", "target": PRODUCTION, "kind": "soaked", "environment": STAGING, "seconds": 86_400},
    {"model": "myorg/sentiment-*", "target": PRODUCTION, "kind": "soaked", "environment": STAGING, "seconds": 86_400},
    {
        "model": "myorg/sentiment-model",
        "target": RELEASE,
        "kind": "metric",
        "path": "accuracy",
        "op": ">=",
        "value": 0.94,
    },
    {
        "model": "myorg/sentiment-model",
        "target": RELEASE,
        "kind": "no_regression",
        "path": "f1",
        "direction": "higher",
        "tolerance": 0.005,
    },
    {"model": "myorg/sentiment-*", "target": RELEASE, "kind": "soaked", "environment": STAGING, "seconds": 3_600},
    {"model": "myorg/whisper-*", "target": RELEASE, "kind": "soaked", "environment": STAGING, "seconds": 3_600},
    {"model": "myorg/sentiment-model", "target": RELEASE, "kind": "approved", "count": 1, "role": "releaser"},
    {"model": "risk/*", "target": RELEASE, "kind": "metadata_present", "paths": ["git_commit"]},
    {"model": "risk/*", "target": RELEASE, "kind": "approved", "count": 2, "role": "releaser"},
)
"""The gates there are, each written after the last version that it would have been for. README's first lines pass them."""
