"""The declarative base every table derives from, and the two extensions that are bound to the application in `app.py`."""

from datetime import datetime
from typing import Any, ClassVar

from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import DateTime, MetaData, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import DeclarativeBase

# PostgreSQL's refusals are told apart by these names (`audit.REFUSALS`), so every constraint has one that never changes.
NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class Row(DeclarativeBase):
    """One row of one table. `kind` is what the audit log calls it."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB,
        list[str]: ARRAY(Text),
    }
    kind: ClassVar[str]


# Objects stay readable after a commit: the answer is rendered from them without asking the database again.
db = SQLAlchemy(metadata=Row.metadata, session_options={"expire_on_commit": False})
migrate = Migrate()
