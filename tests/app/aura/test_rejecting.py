"""Files that nobody can mend: out of the way, with a note, the same wherever it is killed."""

import pytest

from meterhouse.app.aura.rejecting import reject_file, rejected_files
from meterhouse.connectors.dataset_storage import FolderStorage
from meterhouse.core.instant import DAY
from meterhouse.core.problem import DefinitionError, MeterhouseError, NotFoundError
from tests.app.aura.place import AT, Place
from tests.app.aura.test_uploading import KilledStorage

FILE = "avro/entity/Aura_Audit/6.0.0/ES_Aura_Audit_20261101T030000Z.avro"


@pytest.fixture
def place(tmp_path):
    made = Place(tmp_path)
    _put(made, FILE, b"no Avro")
    return made


def _put(place, name, body):
    path = place.common / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body)


def _reject(place, name=FILE, *, reason="Of another country", at=AT, storage=None):
    return reject_file(
        *(storage or FolderStorage(place.common), name),
        reason=reason,
        by="ana",
        at=at,
        scratch=place.scratch,
    )


def _known(place):
    return list(rejected_files(FolderStorage(place.common)))


def test_a_rejected_file_is_out_of_the_way_with_who_when_and_why(place):
    rejected = _reject(place, FILE.rpartition("/")[2], reason=" Of another\n country ")
    assert (rejected.file, rejected.reason, rejected.by) == (FILE, "Of another country", "ana")
    assert _known(place) == [rejected]
    assert set(place.files()) == {rejected.path, f"{rejected.path}.json"}
    assert place.imported().errors == 0


def test_another_file_of_the_same_name_is_another_one(place):
    first = _reject(place)
    _put(place, FILE, b"no Avro either")
    second = _reject(place, reason="As before", at=AT + DAY)
    assert sorted(one.reason for one in _known(place)) == ["As before", "Of another country"]
    assert first.path != second.path
    # The same file once more: what was said of it counts.
    _put(place, FILE, b"no Avro")
    assert _reject(place, reason="Again").reason == "Of another country"
    assert len(_known(place)) == 2


def test_killed_anywhere_it_is_rejected_again(place):
    for changes in range(3):
        storage = KilledStorage(place.common, changes)
        try:
            _reject(place, storage=storage)
        except KeyboardInterrupt:
            # Whoever was killed has rejected nothing that is not gone.
            assert (FILE in place.files()) == (not _known(place))
    assert [one.file for one in _known(place)] == [FILE]


@pytest.mark.parametrize(
    ("name", "reason", "error"),
    [
        (FILE, " ", DefinitionError),
        (FILE, "x" * 201, DefinitionError),
        ("ES_Aura_Audit.avro", "why", NotFoundError),
        ("processed/x.avro", "why", NotFoundError),
    ],
)
def test_what_cannot_be_rejected_stays(place, name, reason, error):
    with pytest.raises(error):
        _reject(place, name, reason=reason)
    assert set(place.files()) == {FILE}


def test_a_name_that_two_files_have_is_not_enough(place):
    other = FILE.replace("6.0.0", "7.0.0")
    _put(place, other, b"no Avro")
    with pytest.raises(MeterhouseError) as caught:
        _reject(place, FILE.rpartition("/")[2])
    assert FILE in caught.value.hint
    assert other in caught.value.hint
    assert _reject(place, other).file == other
