"""photism serve: errors before a model is loaded, and a request to a served page."""

import json
import os
import signal
import socket
import subprocess
import sys
import wave
from base64 import b64encode
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from photism.cli.app import main
from photism.extras import install_command

RATE = 8000  # Hz
TOKEN = "t0ken-of-the-test"


def serve(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int | str | None:
    monkeypatch.setattr(sys, "argv", ["photism", "serve", *arguments])
    with pytest.raises(SystemExit) as exit_info:
        main()
    return exit_info.value.code


@pytest.fixture
def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


def test_a_port_in_use_is_one_line(monkeypatch, capsys):
    with socket.create_server(("127.0.0.1", 0)) as used:
        port = used.getsockname()[1]
        assert serve(monkeypatch, "--port", str(port), "--model", "/missing") == 2
    assert capsys.readouterr().err == (
        f"photism: --host 127.0.0.1 --port {port} cannot be used (Address already in use); give another port or host\n"
    )


def test_an_unknown_host_is_one_line(monkeypatch, capsys, free_port):
    host = "192.0.2.1"  # reserved for documentation
    assert serve(monkeypatch, "--host", host, "--public", "--port", str(free_port)) == 2
    assert capsys.readouterr().err.startswith(f"photism: --host 192.0.2.1 --port {free_port} cannot be used (")


def test_a_server_for_other_machines_demands_a_secret_before_anything_is_loaded(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "fastapi", None)
    assert serve(monkeypatch, "--host", "0.0.0.0", "--model", "/missing") == 2
    assert capsys.readouterr().err == (
        "photism: --host 0.0.0.0 lets other machines connect: give --token or --password (or set PHOTISM_TOKEN or "
        "PHOTISM_PASSWORD), or --public if everyone may use the server\n"
    )
    for secret in ("--token=t0ken", "--password=t0ken"):
        assert serve(monkeypatch, "--host", "0.0.0.0", secret, "--model", "/missing") == 2
        assert capsys.readouterr().err.startswith("photism: serve needs fastapi")
        assert serve(monkeypatch, "--public", secret) == 2
        name = secret.partition("=")[0]
        assert capsys.readouterr().err == f"photism: --public cannot be combined with {name}\n"
    monkeypatch.setenv("PHOTISM_TOKEN", "t0ken")
    assert serve(monkeypatch, "--host", "0.0.0.0", "--model", "/missing") == 2
    assert capsys.readouterr().err.startswith("photism: serve needs fastapi")


def test_a_wrong_certificate_is_one_line(monkeypatch, capsys, tmp_path, free_port):
    wrong = tmp_path / "wrong.pem"
    wrong.touch()
    flags = ("--tls-cert", str(wrong), "--tls-key", str(wrong), "--model", "/missing", "--port", str(free_port))
    assert serve(monkeypatch, *flags) == 2
    assert capsys.readouterr().err == f"photism: --tls-cert {wrong} has no certificate in PEM format\n"
    assert serve(monkeypatch, *flags[:2]) == 2
    assert capsys.readouterr().err == "photism: --tls-cert must be given together with --tls-key\n"


@pytest.mark.parametrize("port", ["0", "65536"])
def test_ports_are_from_1_to_65535(monkeypatch, capsys, port):
    assert serve(monkeypatch, "--port", port) == 2
    assert capsys.readouterr().err == f"photism: --port must be at least 1 and at most 65535; got {port}\n"


@pytest.mark.parametrize(("module", "package"), [("fastapi", "fastapi"), ("python_multipart", "python-multipart")])
def test_without_a_library_of_the_server_the_remedy_is_named(monkeypatch, capsys, free_port, module, package):
    monkeypatch.setitem(sys.modules, module, None)  # what `import` meets when it is not installed
    assert serve(monkeypatch, "--port", str(free_port), "--model", "/missing") == 2
    assert capsys.readouterr().err == (
        f"photism: serve needs {package}, which is not installed: {install_command('server')}\n"
    )


def test_further_models_do_not_replace_the_one_of_the_page(monkeypatch, capsys, models):
    monkeypatch.chdir(models / "sd")
    flags = ("--model", ".", "--ip-adapter", "style.safetensors", "--add", f"sd={models / 'sd'}")
    assert serve(monkeypatch, *flags) == 2
    assert capsys.readouterr().err == "photism: --add must have names that no other model has; got sd twice\n"


def test_a_missing_model_ends_the_start(monkeypatch, capsys, free_port):
    for flag in ("--model", "--diffusion"):
        assert serve(monkeypatch, "--port", str(free_port), flag, "/missing") == 2
        assert capsys.readouterr().err == "photism: model /missing: no such folder\n"


def test_serves_until_it_is_interrupted(models, tmp_path, free_port):
    sound = tmp_path / "silence.wav"
    with wave.open(str(sound), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes(bytes(2 * RATE))
    run = "from photism.cli.app import main; main()"
    arguments = ["serve", "--port", str(free_port), "--model", models / "sd", "--device", "cpu"]
    server = subprocess.Popen(
        [sys.executable, "-c", run, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PHOTISM_TOKEN": TOKEN},
        # A shell lets its background jobs ignore the signal, and with them the tests that run in one.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        address = f"http://127.0.0.1:{free_port}/"
        assert server.stdout.readline() == f"Photism is on {address} until Ctrl-C\n"
        with pytest.raises(HTTPError, match="401"):
            urlopen(address, timeout=60)
        assert urlopen(f"{address}health", timeout=60).status == 200
        headers = {"Authorization": f"Bearer {TOKEN}"}
        page = urlopen(Request(address, headers=headers), timeout=60).read().decode()
        body = {"file": b64encode(sound.read_bytes()).decode(), "steps": 1, "images": 2}
        headers |= {"Content-Type": "application/json", "Accept": "application/json"}
        drawing = Request(f"{address}v1/draw", json.dumps(body).encode(), headers)
        drawn = json.load(urlopen(drawing, timeout=60))
        server.send_signal(signal.SIGINT)
        out, log = server.communicate(timeout=60)
        assert server.returncode == 0
    finally:
        server.kill()
    assert "<title>Photism</title>" in page
    assert TOKEN not in out + log
    assert '"status": 401' in log
    assert all(json.loads(line)["level"] == "info" for line in log.splitlines())  # no warning of a library
    assert len(drawn["pictures"]) == 2
    assert len(drawn["heard"]) == 5


def test_a_collection_that_is_no_index_is_refused_before_the_server_starts(monkeypatch, capsys, free_port, tmp_path):
    pytest.importorskip("lance")
    assert serve(monkeypatch, "--port", str(free_port), "--collection", str(tmp_path / "missing.lance")) == 2
    missing = tmp_path / "missing.lance"
    expected = f"photism: {missing}: no such index; make one with `photism index SOUNDS -o {missing}`\n"
    assert capsys.readouterr().err == expected
