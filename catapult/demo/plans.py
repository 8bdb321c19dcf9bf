"""The plan of each model in the demo. `history.py` makes up what happened to a model from its plan."""

from typing import NamedTuple

from catapult.demo.company import PRODUCTION, STAGING
from catapult.demo.kinds import (
    CHAT,
    DETECTION,
    EMBEDDING,
    FORECAST,
    OCR,
    RANKING,
    RECOMMENDER,
    SPEECH,
    TABULAR,
    TEXT,
    TRANSLATION,
    TTS,
    Kind,
)

ARM = "linux/arm64"


class Behind(NamedTuple):
    """How many good versions staging, the last release and production are behind the newest one; None for none there."""

    staging: int | None = 0
    release: int | None = 0
    production: int | None = 0


class Plan(NamedTuple):
    """A model with so many versions: it was created `began` days ago, and its newest version is `newest` hours old."""

    name: str
    kind: Kind
    description: str
    versions: int
    began: float
    newest: float
    behind: Behind = Behind()
    platform: str = "linux/amd64"
    storage: str | None = None  # where the images are, if not in a registry
    malformed: tuple[int, ...] = ()  # positions of the versions whose digest was typed by hand
    demotion: str | None = None  # why the last release was demoted
    withdrawn: bool = False  # the newest version is worse, and archived
    under_way: tuple[str, str] | None = None  # environment and status of a deployment that has just begun
    deployed: float = 1.0  # share of the versions that may be deployed and promoted
    edited: float = 0.1  # share of the versions whose fields were completed after they were registered

    @property
    def team(self) -> str:
        return self.name.split("/")[0]

    @property
    def slug(self) -> str:
        return self.name.rsplit("/", 1)[-1]

    @property
    def repository(self) -> str | None:
        """The image repository, one folder for each organization."""
        if self.storage:
            return None
        return f"docker.io/{self.name}" if self.team == "myorg" else f"ghcr.io/myorg/{self.name}"


MODELS = (
    Plan(
        "myorg/sentiment-model",
        TEXT,
        "Sentiment of product reviews in German and English: negative, neutral, positive.",
        versions=28,
        began=181,
        newest=3,
        behind=Behind(1, 3, 3),
        malformed=(0, 1),
        under_way=(STAGING, "running"),
    ),
    Plan("myorg/llama-3-8b-chat", CHAT, "Chat model of the help desk, served in fp8.", 18, 168, 20, Behind(1, 2, 2)),
    Plan("myorg/whisper-asr", SPEECH, "Transcribes support calls.", 14, 174, 70, Behind(0, 1, 1)),
    Plan("risk/fraud-gbm", TABULAR, "Scores card payments for fraud within 10 ms.", 30, 182, 9, Behind(1, 2, 2)),
    Plan(
        "vision/defect-net",
        DETECTION,
        "Finds scratches, dents and missing screws on the assembly line.",
        versions=22,
        began=176,
        newest=28,
        behind=Behind(0, 2, 3),
        under_way=(PRODUCTION, "pending"),
    ),
    Plan("search/query-encoder", EMBEDDING, "Turns queries into 768 numbers.", 16, 160, 52, Behind(0, 1, 1)),
    Plan(
        "search/query-ranker",
        RANKING,
        "Puts the 200 best candidates in order.",
        versions=19,
        began=171,
        newest=18,
        behind=Behind(0, 1, 1),
        demotion="Click-through fell by 4 % in the first day after the release.",
    ),
    Plan("shop/next-basket", RECOMMENDER, "What a customer may want next, from the last ten baskets.", 13, 150, 96),
    Plan("shop/demand-forecast", FORECAST, "Daily sales for the next 28 days.", 24, 179, 14, Behind(0, 0, 1)),
    Plan("docs/invoice-ocr", OCR, "Reads supplier invoices: number, date, lines, IBAN.", 11, 140, 180, Behind(0, 1, 1)),
    Plan("voice/tts-narrator", TTS, "Reads articles aloud in six voices.", 9, 120, 230),
    Plan(
        "myorg/translate-de-en",
        TRANSLATION,
        "German to English for tickets and help pages.",
        versions=12,
        began=155,
        newest=300,
        withdrawn=True,
    ),
    Plan("myorg/intent-router", TEXT, "Sends a message to the right team: 42 intents.", 15, 132, 44, Behind(0, 1, 1)),
    Plan("myorg/toxicity-filter", TEXT, "Holds comments that hurt people for a moderator.", 10, 98, 260),
    Plan("risk/credit-score-gbm", TABULAR, "Probability of default within a year.", 12, 178, 410, Behind(0, 1, 1)),
    Plan(
        "risk/chargeback-gbm",
        TABULAR,
        "Which payments come back. Still packed by hand; moves to the registry this year.",
        versions=7,
        began=165,
        newest=900,
        behind=Behind(None),
        storage="s3://model-store/risk/chargeback-gbm",
        malformed=(2, 5),
    ),
    Plan("vision/plate-reader", OCR, "Number plates, day and night.", 6, 84, 340, Behind(production=None), ARM),
    Plan("vision/pallet-counter", DETECTION, "Counts pallets in the yard.", 17, 126, 33, Behind(1, 1, 2), ARM),
    Plan("vision/product-tagger", DETECTION, "Color, shape and material from a product's pictures.", 8, 75, 150),
    Plan("search/product-embeddings", EMBEDDING, "The products' side of the search, every night.", 10, 110, 62),
    Plan("myorg/ticket-summarizer", CHAT, "Three sentences about a ticket.", 8, 58, 26, Behind(1, 2, 2)),
    Plan(
        "energy/load-forecast", FORECAST, "Load of the cold stores, a day ahead.", 9, 104, 40, Behind(production=None)
    ),
    Plan("voice/meeting-asr", SPEECH, "Minutes of meetings. A trial.", 3, 17, 80, Behind(None, None, None)),
    Plan("myorg/code-assist-1b", CHAT, "Completes lines in notebooks. The first training run goes on.", 0, 1.2, 0),
)
