"""The configuration of made-up operating businesses: what aura-configuration-api would answer.

The ids of an OB depend on its code and on nothing else, so that months of one OB fit together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from uuid import UUID

from meterhouse.core.json_text import JsonValue

GATEWAY, RAG_SERVER = "aura-gateway-api", "atria-rag-server"
COMPONENTS = (
    "aura-groot",
    "aura-bot",
    "aura-bridge",
    "aura-nlp",
    GATEWAY,
    "atria-model-gateway",
    RAG_SERVER,
)
#: Name, prefix, contact channel and share of the messages.
CHANNELS = (
    ("novum-mytelco", "nov", "04", 55),
    ("movistar-plus", "mp", "07", 25),
    ("whatsapp", "wa", "09", 15),
    ("set-top-box", "stb", "07", 5),
)
#: Name, type, model and share of the requests to models.
PRESETS = (
    ("atria-rag-gpt-4", "rag", "gpt-4o", 30),
    ("generative-gpt-4o-mini", "generative", "gpt-4o-mini", 55),
    ("semantic-search-faq", "semantic_search", "text-embedding-3-large", 15),
)
#: Name, presets, and shares of the requests to NLPaaS and to models.
APPS = (
    ("my-assistant", ("atria-rag-gpt-4", "generative-gpt-4o-mini"), 40, 45),
    ("call-centre", ("generative-gpt-4o-mini", "semantic-search-faq"), 20, 35),
    ("shop", ("generative-gpt-4o-mini",), 35, 15),
    ("old-portal", ("semantic-search-faq",), 5, 5),
)
BRANDS = (("0401", "Movistar"), ("0402", "O2"), ("0403", "Vivo"))
CONTACT_CHANNELS = (("04", "Application"), ("07", "Television"), ("09", "Messaging"))


@dataclass(frozen=True, slots=True)
class SampleOb:
    """A made-up OB: its configuration by module, and the ids that its logs need."""

    code: str
    configuration: Mapping[str, Sequence[JsonValue]]
    apps: Mapping[str, str]


def made_up_id(chance: Random) -> str:
    """Return a UUID that a seeded chance gives."""
    return str(UUID(int=chance.getrandbits(128), version=4))


def sample_ob(code: str) -> SampleOb:
    """Return the configuration of a made-up OB.

    >>> [one["name"] for one in sample_ob("ES").configuration["applications"]]
    ['my-assistant', 'call-centre', 'shop', 'old-portal']
    """
    chance = Random(f"configuration of {code}")  # noqa: S311 (made up, not secret)
    brand = BRANDS[2 if code == "BR" else 0][0]
    channels = [_channel(one, brand, made_up_id(chance)) for one in CHANNELS]
    apps = {name: made_up_id(chance) for name, *_ in APPS}
    configuration: dict[str, list[JsonValue]] = {
        "channels": channels,
        "applications": [_app(one, apps[one[0]], brand, channels) for one in APPS],
        "presets": [_preset(one, made_up_id(chance)) for one in PRESETS],
        "components": [{"id": made_up_id(chance), "name": name} for name in COMPONENTS],
        "skills": [{"id": f"skill-{name}", "name": name} for name in ("bill", "balance", "tv")],
        "recognizers": [{"id": f"recognizer-{name}", "name": name} for name in ("luis", "clu")],
    }
    return SampleOb(code, configuration, apps)


def _channel(about: tuple[str, str, str, int], brand: str, id: str) -> dict[str, JsonValue]:
    name, prefix, contact, _ = about
    kind = "whatsapp" if name == "whatsapp" else "directline"
    head = {"id": id, "name": name, "prefix": prefix, "type": kind}
    return head | {"brand": brand, "contact": contact, "nlp": {"enabled": True}}


def _app(
    about: tuple[str, tuple[str, ...], int, int],
    id: str,
    brand: str,
    channels: Sequence[Mapping[str, JsonValue]],
) -> dict[str, JsonValue]:
    name, presets, *_ = about
    return {
        "id": id,
        "name": name,
        "disabled": name == "old-portal",
        "brand": brand,
        "nlp": {"channelId": channels[0]["id"]},
        "models": {"level": "user", "presets": list(presets)},
    }


def _preset(about: tuple[str, str, str, int], id: str) -> dict[str, JsonValue]:
    name, kind, model, _ = about
    return {"id": id, "name": name, "type": kind, "model": model, "description": f"{kind} preset"}
