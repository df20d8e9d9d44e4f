"""/v1/search: the hits of the command line without the folder of the collection, and the sound of a hit."""

import io
import json
import shutil
import wave

import numpy as np
import pytest

from photism.audio.writing import write_waveform
from photism.collection.index import Index
from photism.errors import InputError
from photism.server.collection import Collection
from photism.server.engine.registry import ModelRegistry
from photism.server.settings import LimitSettings

pytest.importorskip("lance")


@pytest.fixture(scope="module")
def searched(server_registry, collection, make_client):
    """Return a client of a server with the collection."""
    with make_client(server_registry, collection=Collection(str(collection), server_registry)) as connected:
        yield connected


@pytest.fixture
def copied(collection, tmp_path):
    """Return a copy of the collection and its recordings, which a test may change."""
    shutil.copytree(collection, tmp_path / "sounds.lance")
    return tmp_path / "sounds.lance"


def post(client, **fields):
    answer = client.post("/v1/search", json=fields)
    assert answer.status_code == 200, answer.text
    return answer.json()


def hits_of(client, **fields):
    return {hit["file"]: hit for hit in post(client, **fields)["hits"]}


def test_hits_are_those_of_the_command_line_without_the_folder(searched, collection, command_json, recordings):
    printed = command_json("search", collection, "an elephant", "--top-k", 4, "--json", "--not", "a banana")
    found = searched.post("/v1/search", json={"text": ["an elephant"], "top_k": 4, "not": ["a banana"]})
    hits = found.json()["hits"]
    root = f"{collection.parent / 'sounds'}/"
    assert [{**hit, "file": f"{root}{hit['file']}"} for hit in hits] == printed
    assert hits[0]["file"] == "animals/elephant.en.ogg"
    assert str(collection.parent) not in found.text


def test_a_recording_is_searched_for(searched, recordings):
    path = next(each for each in recordings if each.name == "banana.es.ogg")
    with path.open("rb") as file:
        answer = searched.post("/v1/search", files={"file": file}, data={"top_k": 2})
    first, _ = answer.json()["hits"]
    assert (first["file"], first["score"]) == ("banana.es.ogg", pytest.approx(1, abs=1e-4))


def test_what_a_text_was_taken_for_is_said(searched):
    found = post(searched, text=["un elefante"], top_k=1)
    assert found["meanings"] == [{"text": "un elefante", "captions": ["An elephant."], "language": "es"}]
    assert found["hits"][0]["file"] == "animals/elephant.en.ogg"
    assert post(searched, text=["un elefante"], literal=True)["meanings"] == []


def test_the_collection_is_described(searched):
    about = searched.get("/v1/search").json()
    assert (about["name"], about["rows"], about["has_texts"]) == ("sounds", 5, True)
    assert "duration_s" in about["columns"]
    assert "vector" not in about["columns"]


def test_conditions_know_the_names_that_are_shown(searched, collection):
    assert hits_of(searched, text=["a dog"], where="location = 'banana.es.ogg'").keys() == {"banana.es.ogg"}
    assert hits_of(searched, text=["a dog"], where="`location` LIKE 'animals/%'").keys() == {"animals/elephant.en.ogg"}
    assert not hits_of(searched, text=["a dog"], where=f"location LIKE '{collection.parent.parent}%'")
    long = hits_of(searched, text=["a dog"], where="duration_s >= 1.9 AND NOT (known IS NULL)")
    assert all(hit["duration_s"] >= 1.9 for hit in long.values())


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ("duraton_s < 5", "The columns are id, location"),
        ("length(repeat('a', 1000000000)) > 5", "without functions; got length"),
        ("(" * 11 + "known" + ")" * 11, "10 nested parentheses"),
        ("known and " * 110 + "known", "at most 200 words"),
        ("known; DROP", "got ';'"),
        ("'a", 'got "\'"'),
        ("", "cannot be used"),
    ],
)
def test_a_condition_that_cannot_be_used_is_a_mistake_of_the_client(searched, collection, where, words):
    answer = searched.post("/v1/search", json={"text": ["a dog"], "where": where})
    problem = answer.json()
    assert (answer.status_code, problem["field"]) == (422, "where")
    assert words in problem["detail"]
    assert "The columns are id, location" in problem["detail"]
    assert str(collection.parent) not in answer.text


@pytest.mark.parametrize("fields", [{}, {"text": []}, {"text": [" "]}, {"not": ["rain"]}])
def test_something_must_be_searched_for(searched, fields):
    answer = searched.post("/v1/search", json=fields)
    assert (answer.status_code, answer.json()["field"]) == (422, "text")


def test_a_file_that_browsers_play_is_sent_as_it_is(searched, recordings):
    hit = hits_of(searched, text=["an elephant"])["animals/elephant.en.ogg"]
    path = f"/v1/search/recordings/{hit['id']}"
    answer = searched.get(path)
    data = next(each for each in recordings if each.name == "elephant.en.ogg").read_bytes()
    assert (answer.status_code, answer.content, answer.headers["content-type"]) == (200, data, "audio/ogg")
    assert answer.headers["content-disposition"] == 'inline; filename="elephant.en.ogg"'
    part = searched.get(path, headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, data[10:20])
    assert searched.get(path, headers={"Range": f"bytes={len(data)}-"}).status_code == 416


def test_what_browsers_do_not_play_is_sent_as_wav(searched, collection):
    hit = hits_of(searched, text=["an elephant"])["tone.wav"]
    for headers, status in (({}, 200), ({"Range": "bytes=0-"}, 206)):
        answer = searched.get(f"/v1/search/recordings/{hit['id']}", headers=headers)
        assert (answer.status_code, answer.headers["content-type"]) == (status, "audio/wav")
        with wave.open(io.BytesIO(answer.content)) as file:
            assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (44_100, 2, 2)
            assert file.getnframes() == 44_100
            samples = np.frombuffer(file.readframes(44_100), "<i2").reshape(-1, 2)
    assert np.abs(samples[:, 0]).max() == pytest.approx(0.5 * 32_767, abs=2)
    assert not samples[:, 1].any()


def test_of_a_window_its_segment_alone_is_sent(
    server_registry, make_client, collection_job, collection_sounds, tmp_path
):
    place = tmp_path / "windows.lance"
    collection_job(place, window_s=0.5, hop_s=0.25).add([str(collection_sounds / "tone.wav")])
    client = make_client(server_registry, collection=Collection(str(place), server_registry))
    (hit,) = post(client, text=["a dog"], top_k=1)["hits"]
    assert (hit["file"], hit["end_s"] - hit["start_s"]) == ("tone.wav", 0.5)
    answer = client.get(f"/v1/search/recordings/{hit['id']}")
    with wave.open(io.BytesIO(answer.content)) as file:
        assert file.getnframes() == 22_050


@pytest.mark.parametrize("row_id", ["0", "00000000-" + "0" * 24, "x' OR '1'='1", "..%2F..%2Fetc%2Fpasswd"])
def test_only_what_is_in_the_index_is_sent(searched, row_id):
    answer = searched.get(f"/v1/search/recordings/{row_id}")
    assert answer.status_code == 404


def test_a_file_that_has_changed_is_not_sent(server_registry, make_client, collection_job, collection_sounds, tmp_path):
    folder = tmp_path / "files"
    shutil.copytree(collection_sounds, folder)
    place = tmp_path / "files.lance"
    collection_job(place).add([str(folder)])
    client = make_client(server_registry, collection=Collection(str(place), server_registry))
    hits = hits_of(client, text=["an elephant"])
    secret = tmp_path / "secret.ogg"
    shutil.copy(collection_sounds / "banana.es.ogg", secret)
    changed, gone = folder / "animals" / "elephant.en.ogg", folder / "banana.es.ogg"
    changed.unlink()
    changed.symlink_to(secret)
    gone.unlink()
    for name in ("animals/elephant.en.ogg", "banana.es.ogg"):
        answer = client.get(f"/v1/search/recordings/{hits[name]['id']}")
        assert (answer.status_code, answer.json()["type"]) == (410, "/problems/recording-changed")
        assert str(tmp_path) not in answer.text


def test_a_table_that_changes_is_read_again(server_registry, make_client, collection_job, collection_sounds, tmp_path):
    place = tmp_path / "grows.lance"
    grows = collection_job(place)
    grows.add([str(collection_sounds / "tone.wav")])
    client = make_client(server_registry, collection=Collection(str(place), server_registry))
    assert hits_of(client, text=["an elephant"]).keys() == {"tone.wav"}
    grows.add([str(collection_sounds / "animals")])
    assert hits_of(client, text=["an elephant"]).keys() == {"tone.wav", "animals/elephant.en.ogg"}
    shutil.rmtree(place)
    answer = client.post("/v1/search", json={"text": ["an elephant"]})
    assert (answer.status_code, answer.json()["type"]) == (503, "/problems/collection-unavailable")
    assert str(tmp_path) not in answer.text


def test_the_model_of_the_server_is_used_if_the_vectors_are_its_own(server_registry, collection):
    opened = Collection(str(collection), server_registry).open()
    assert opened.entry is server_registry.find("embedder")


def test_another_model_than_that_of_the_vectors_is_refused(collection, copied, make_client):
    registry = ModelRegistry((), LimitSettings())
    index = Index.open(copied)
    about = json.loads(index.table.metadata["photism"]) | {"fingerprint": "0" * 16}
    index.dataset.update_schema_metadata({"photism": json.dumps(about)})
    client = make_client(registry, collection=Collection(str(copied), registry))
    answer = client.post("/v1/search", json={"text": ["a dog"]})
    assert (answer.status_code, answer.json()["type"]) == (503, "/problems/collection-unavailable")
    registry.close(10)


def test_a_model_that_is_gone_is_reported_when_the_server_starts(copied):
    registry = ModelRegistry((), LimitSettings())
    index = Index.open(copied)
    about = json.loads(index.table.metadata["photism"])
    about["models"]["model"] = "/missing/model"
    index.dataset.update_schema_metadata({"photism": json.dumps(about)})
    with pytest.raises(InputError, match="/missing/model"):
        Collection(str(copied), registry).load_model()
    registry.close(10)


def test_without_a_collection_there_is_nothing_to_search(client):
    for answer in (
        client.get("/v1/search"),
        client.post("/v1/search", json={"text": ["a dog"]}),
        client.get("/v1/search/recordings/0"),
    ):
        assert (answer.status_code, answer.json()["type"]) == (404, "/problems/no-collection")


def test_the_context_of_the_page_says_whether_there_is_a_collection(searched, client):
    assert searched.get("/studio/context.json").json()["collection"] is True
    assert client.get("/studio/context.json").json()["collection"] is False


def test_a_folder_that_is_no_index_is_refused(tmp_path, server_registry):
    with pytest.raises(InputError, match="is not a Lance data set"):
        Collection(str(tmp_path), server_registry)
    write_waveform(np.zeros(16_000), tmp_path / "a.wav", sampling_rate=16_000, title="", about={})
    with pytest.raises(InputError, match="is not a Lance data set"):
        Collection(str(tmp_path / "a.wav"), server_registry)
