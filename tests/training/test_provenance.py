import pytest

from photism.errors import InputError
from photism.training.provenance import check_hub, push_to_hub


def test_the_hub_is_asked_before_and_given_the_model_alone(monkeypatch, tmp_path):
    calls = []

    class Api:
        def create_repo(self, hub_id, **more):
            calls.append(("create", hub_id, more))
            if hub_id.startswith("someone"):
                raise OSError("403 Forbidden: you may not\nRequest id")

        def upload_folder(self, **more):
            calls.append(("upload", more))

    monkeypatch.setattr("huggingface_hub.HfApi", Api)
    check_hub("me/model")
    push_to_hub(tmp_path, "me/model", ["config.json"])
    assert calls == [
        ("create", "me/model", {"exist_ok": True, "private": True}),
        ("upload", {"repo_id": "me/model", "folder_path": tmp_path, "allow_patterns": ["config.json"]}),
    ]
    with pytest.raises(
        InputError, match=r"push_to_hub must be .* you may write to; someone/model: 403 Forbidden: you may"
    ):
        check_hub("someone/model")
