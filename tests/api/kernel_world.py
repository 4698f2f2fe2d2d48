"""Kernel for tests: datasets that are published, clients, and what they are let in with."""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from meterhouse.app.datasets.clients import create_client
from meterhouse.app.datasets.files import add_file
from meterhouse.app.datasets.ports import DatasetFile
from meterhouse.app.datasets.publishing import publish
from meterhouse.datasets.schema import BUILT_IN, DatasetSchema
from meterhouse.datasets.scope_lists import BILLING_SCOPES, BOT_SCOPES
from tests.api.knocking import Doors, doors
from tests.audit_files import AUDIT, audit_file, audit_rows, file_name

TOKEN = "/kernel/token"
FORM = {"grant_type": "client_credentials"}
AVRO = "application/avro"


@dataclass
class KernelHouse:
    """A server, its folder, and clients by their ids: their secrets."""

    door: Doors
    folder: Path
    secrets: dict[str, str]

    def publish(self, *schemas: DatasetSchema) -> None:
        with self.door.context.ledger() as ledger:
            for schema in schemas or (BUILT_IN[AUDIT], BUILT_IN["D_Aura_App"]):
                publish(ledger, schema, at=self.door.context.clock())

    def client(self, client_id: str, *scopes: str, **more: Any) -> None:
        context = self.door.context
        body = {"clientId": client_id, "scopes": list(scopes), **more}
        with context.ledger() as ledger:
            made = create_client(
                ledger, context.client_secrets, body, id=context.new_id(), at=context.clock()
            )
        assert made.client_secret is not None
        self.secrets[client_id] = made.client_secret

    def basic(self, client_id: str, secret: str | None = None) -> dict[str, str]:
        pair = f"{client_id}:{self.secrets.get(client_id) if secret is None else secret}"
        return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}

    def token_answer(self, client_id: str, **form: str) -> httpx.Response:
        how: dict[str, Any] = {"data": FORM | form, "headers": self.basic(client_id)}
        return self.door.ask("POST", TOKEN, **how)

    def token(self, client_id: str, scope: str | None = None) -> dict[str, str]:
        answer = self.token_answer(client_id, **({} if scope is None else {"scope": scope}))
        assert answer.status_code == 200, answer.text
        return {"Authorization": f"Bearer {answer.json()['access_token']}"}

    def get(self, path: str, token: dict[str, str]) -> httpx.Response:
        return self.door.ask("GET", f"/kernel/datasets{path}", headers=dict(token))

    def post(
        self, content: Path, token: dict[str, str], *, path: str = f"/{AUDIT}/6/files", name: str
    ) -> httpx.Response:
        headers = token | {"content-type": AVRO, "x-file-name": name}
        how: dict[str, Any] = {"headers": headers, "content": content.read_bytes()}
        return self.door.ask("POST", f"/kernel/datasets{path}", **how)

    def file(self, ob: str = "ES", *, hour: str = "20261003T10", count: int = 3) -> Path:
        """Write a file of an hour; its rows are of the day of its name."""
        day = f"{hour[:4]}-{hour[4:6]}-{hour[6:8]}"
        name = file_name(ob, hour=hour)
        return audit_file(self.folder / name, audit_rows(count, day=day, ob=ob))

    def add(self, ob: str = "ES", *, hour: str = "20261003T10", count: int = 3) -> DatasetFile:
        """Put a file into the catalogue, as its operators do."""
        context = self.door.context
        path = self.file(ob, hour=hour, count=count)
        with context.ledger() as ledger:
            [added] = add_file(
                *(ledger, context.datasets, path),
                dataset=AUDIT,
                name=path.name,
                at=context.clock(),
                containers=context.containers,
            )
        return added


@contextmanager
def kernel_house(directory: Path) -> Iterator[KernelHouse]:
    """Open a server with two clients, as an environment has them, and two datasets."""
    with doors(directory / "data") as door:
        house = KernelHouse(door, directory, {})
        house.publish()
        house.client("aura-bot-test", *BOT_SCOPES)
        house.client("aura-billing-test", *BILLING_SCOPES, purpose="aura-kpi-data-read-purpose")
        yield house
