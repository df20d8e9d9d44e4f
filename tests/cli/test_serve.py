"""photism serve: errors before a model is loaded, and a request to a served page."""

import signal
import socket
import subprocess
import sys
import wave

import pytest

from photism.cli.app import main

RATE = 8000  # Hz


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


@pytest.mark.parametrize("port", ["0", "65536"])
def test_ports_are_from_1_to_65535(monkeypatch, capsys, port):
    assert serve(monkeypatch, "--port", port) == 2
    assert capsys.readouterr().err == f"photism: --port must be at least 1 and at most 65535; got {port}\n"


@pytest.mark.parametrize(("module", "package"), [("fastapi", "fastapi"), ("multipart", "python-multipart")])
def test_without_a_library_of_the_server_the_remedy_is_named(monkeypatch, capsys, free_port, module, package):
    monkeypatch.setitem(sys.modules, module, None)  # what `import` meets when it is not installed
    assert serve(monkeypatch, "--port", str(free_port), "--model", "/missing") == 2
    assert capsys.readouterr().err == (
        f"photism: serve needs {package}, which is not installed: pip install 'photism[server]'\n"
    )


def test_serves_until_it_is_interrupted(models, tmp_path, free_port):
    gradio_client = pytest.importorskip(
        "gradio_client", reason="the studio needs gradio: pip install 'photism[studio]'"
    )
    sound = tmp_path / "silence.wav"
    with wave.open(str(sound), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes(bytes(2 * RATE))
    run = "from photism.cli.app import main; main()"
    arguments = ["serve", "--port", str(free_port), "--model", models / "sd", "--device", "cpu"]
    server = subprocess.Popen(
        [sys.executable, "-c", run, *arguments],
        stdout=subprocess.PIPE,
        text=True,
        # A shell lets its background jobs ignore the signal, and with them the tests that run in one.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        address = f"http://127.0.0.1:{free_port}/"
        assert server.stdout.readline() == f"Photism is on {address} until Ctrl-C\n"
        client = gradio_client.Client(address, download_files=str(tmp_path), verbose=False, analytics_enabled=False)
        pictures, heard = client.predict(
            gradio_client.handle_file(sound), num_inference_steps=1, images_per_sound=2, api_name="/draw"
        )
        server.send_signal(signal.SIGINT)
        assert server.wait(timeout=60) == 0
    finally:
        server.kill()
    assert len(pictures) == 2
    assert len(heard["confidences"]) == 5
