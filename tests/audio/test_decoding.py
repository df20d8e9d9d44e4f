"""load_waveform with files, bytes and URLs: every format, and one clear error for anything else."""

import io
import math
import os
import socket
import subprocess
import sys
import wave
from pathlib import Path

import av
import numpy as np
import pytest
import soxr

from photism import InputError
from photism.audio.decoding import decoded_blocks
from photism.audio.waveform import SAMPLING_RATE, Waveform, load_waveform


def sine(hertz, *, rate=SAMPLING_RATE, seconds=1.0, gain=0.5):
    return (gain * np.sin(2 * np.pi * hertz * np.arange(round(rate * seconds)) / rate)).astype(np.float32)


def wav(samples, rate=SAMPLING_RATE):
    """Encode (T,) or (T, C) floats as the bytes of a 16-bit WAV file."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1 if samples.ndim == 1 else samples.shape[1])
        writer.setsampwidth(2)
        writer.setframerate(rate)
        writer.writeframes((samples * 32767).astype("<i2").tobytes())
    return file.getvalue()


def encoded(samples, *, format, codec, rate=SAMPLING_RATE, video=False, sound=True):
    """Encode (T,) floats with another codec, next to a video stream if `video`."""
    file = io.BytesIO()
    with av.open(file, "w", format=format) as container:
        if video:
            pictures = container.add_stream("mpeg4", rate=10, width=64, height=64)
            pictures.pix_fmt = "yuv420p"
        if sound:
            stream = container.add_stream(codec, rate=rate, layout="mono")
        if video:
            for _ in range(10):
                picture = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
                container.mux(pictures.encode(picture))
            container.mux(pictures.encode(None))
        if sound:
            frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
            frame.sample_rate = rate
            resampler = av.AudioResampler(stream.codec_context.format, "mono", rate, stream.codec_context.frame_size)
            for resampled in (*resampler.resample(frame), *resampler.resample(None)):
                container.mux(stream.encode(resampled))
            container.mux(stream.encode(None))
    return file.getvalue()


def frequency(waveform):
    """Return the loudest frequency in Hz, to the nearest bin."""
    spectrum = np.abs(np.fft.rfft(waveform.samples * np.hanning(len(waveform.samples))))
    return spectrum.argmax() / waveform.duration_s


TONE = sine(440)
WAV = wav(TONE)
SEEKS_BEFORE_THE_BEGINNING = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c") + bytes(37) + b"."  # ASF


class TestFiles:
    @pytest.fixture
    def path(self, tmp_path):
        path = tmp_path / "tone é 1.wav"
        path.write_bytes(WAV)
        return path

    def test_all_forms_of_a_file_give_the_same_samples(self, path):
        expected = (TONE * 32767).astype(np.int16) / np.float32(32768)
        sources = [path, str(path), path.as_uri(), WAV, bytearray(WAV), memoryview(WAV), io.BytesIO(WAV)]
        with path.open("rb") as file:
            for source in (*sources, file):
                assert np.array_equal(load_waveform(source).samples, expected)

    @pytest.mark.skipif(sys.platform == "win32", reason="needs /dev/fd")
    def test_a_pipe(self):
        reader, writer = os.pipe()
        os.write(writer, WAV)
        os.close(writer)
        assert load_waveform(f"/dev/fd/{reader}").duration_s == 1.0
        os.close(reader)

    def test_a_file_object_is_read_from_its_current_position(self):
        file = io.BytesIO(b"header" + WAV)
        file.seek(6)
        assert load_waveform(file).duration_s == 1.0

    @pytest.mark.parametrize(
        ("format", "codec", "rate"),
        [
            ("ogg", "libopus", 48_000),
            ("mp3", "libmp3lame", 44_100),
            ("flac", "flac", 22_050),
            ("mp4", "aac", 48_000),
            ("wav", "pcm_u8", 8_000),
            ("wav", "pcm_s24le", 96_000),
            ("wav", "pcm_f64le", 16_000),
            ("aiff", "pcm_s16be", 11_025),
        ],
    )
    def test_formats(self, format, codec, rate):
        waveform = load_waveform(encoded(sine(440, rate=rate), format=format, codec=codec, rate=rate))
        assert waveform.samples.dtype == np.float32
        assert waveform.duration_s == pytest.approx(1, abs=0.1)  # lossy codecs pad
        assert frequency(waveform) == pytest.approx(440, abs=2)
        middle = waveform.samples[4000:12_000]
        assert middle.std() == pytest.approx(0.5 / math.sqrt(2), rel=0.05)

    def test_audio_of_a_video(self):
        waveform = load_waveform(encoded(sine(440, rate=44_100), format="mp4", codec="aac", rate=44_100, video=True))
        assert frequency(waveform) == pytest.approx(440, abs=2)

    def test_channels_are_averaged(self):
        left, right = sine(440), sine(1000)
        waveform = load_waveform(wav(np.stack([left, right], axis=1)))
        np.testing.assert_allclose(waveform.samples, (left + right) / 2, atol=1e-4)

    def test_twenty_channels(self):
        waveform = load_waveform(wav(np.tile(TONE[:, None], 20)))
        np.testing.assert_allclose(waveform.samples, TONE, atol=1e-4)

    def test_the_rate_is_converted_by_soxr(self):
        samples = sine(440, rate=44_100)
        expected = soxr.resample((samples * 32767).astype(np.int16) / np.float32(32768), 44_100, SAMPLING_RATE, "HQ")
        np.testing.assert_allclose(load_waveform(wav(samples, 44_100)).samples, expected, atol=1e-6)

    def test_a_rate_that_changes_within_a_file(self):
        files = [
            encoded(sine(hertz, rate=rate), format="adts", codec="aac", rate=rate)
            for hertz, rate in ((440, 44_100), (1000, 16_000))
        ]
        waveform = load_waveform(b"".join(files))
        assert waveform.duration_s == pytest.approx(2, abs=0.3)
        assert frequency(Waveform(waveform.samples[2000:14_000])) == pytest.approx(440, abs=3)
        assert frequency(Waveform(waveform.samples[-14_000:-3000])) == pytest.approx(1000, abs=3)

    def test_tags_in_an_old_encoding(self):
        tag = b"LIST" + (20).to_bytes(4, "little") + b"INFOINAM" + (7).to_bytes(4, "little") + b"caf\xe9 \xdf\0\0"
        assert load_waveform(WAV[:36] + tag + WAV[36:]).duration_s == 1.0

    def test_a_truncated_wav_gives_the_samples_it_has(self):
        assert len(load_waveform(WAV[: 44 + 2 * 400]).samples) == 400
        with pytest.raises(InputError, match=r"source \(bytes\): samples must be at least 400 .* not 399"):
            load_waveform(WAV[: 44 + 2 * 399])

    @pytest.mark.parametrize(("format", "codec"), [("ogg", "libopus"), ("mp3", "libmp3lame"), ("flac", "flac")])
    def test_damage_in_the_middle_loses_only_the_middle(self, format, codec):
        rate = 48_000
        noise = (np.random.default_rng(0).standard_normal(8 * rate) * 0.1).astype(np.float32)
        data = bytearray(encoded(noise, format=format, codec=codec, rate=rate))
        middle = len(data) // 2
        data[middle : middle + 2000] = bytes(2000)
        assert 5.5 < load_waveform(bytes(data)).duration_s <= 8.1

    @pytest.mark.parametrize(("format", "codec"), [("flac", "flac"), ("mp3", "libmp3lame"), ("adts", "aac")])
    def test_a_truncated_file_gives_the_samples_it_has(self, format, codec):
        data = encoded(sine(440, seconds=4), format=format, codec=codec)
        assert 2 < load_waveform(data[: len(data) * 2 // 3]).duration_s < 3

    @pytest.mark.parametrize(
        ("data", "words"),
        [
            (b"", r"source \(bytes\): the file is empty$"),
            (
                b"This is no sound.\n" * 100,
                r": not an audio or video file that FFmpeg can read \(Invalid data.*\); convert it",
            ),
            (np.random.default_rng(0).bytes(10_000), ": not an audio or video file"),
            (WAV[:30], ": not an audio or video file"),
            (WAV[:44], ": no audio can be decoded; the file is empty, truncated or damaged"),
            (wav(np.zeros(0)), ": no audio can be decoded; the file is empty, truncated or damaged"),
            (wav(TONE, 999), "sampling_rate must be 1000 to 768000 Hz, not 999"),
            (wav(TONE, 768_001), "sampling_rate must be 1000 to 768000 Hz, not 768001"),
            (wav(TONE[:199], 8000), "at least 400 .* not 398"),
        ],
    )
    def test_files_that_are_rejected(self, data, words):
        with pytest.raises(InputError, match=words):
            load_waveform(data)

    @pytest.mark.parametrize(
        ("format", "codec"),
        [
            *(("wav", f"pcm_{kind}le") for kind in ("s16", "s24", "s32", "s64", "f32", "f64")),
            *(("aiff", f"pcm_{kind}be") for kind in ("s16", "s24", "s32", "f32", "f64")),
            *(("caf", f"pcm_{kind}") for kind in ("s8", "s24le", "s32be", "f64be")),
            ("wav", "pcm_u8"),
            ("aiff", "pcm_s8"),
            ("au", "pcm_s24be"),
            ("w64", "pcm_s64le"),
        ],
    )
    def test_pcm_of_every_width_has_full_scale_1(self, format, codec):
        loud = sine(440, gain=0.99)
        samples = load_waveform(encoded(loud, format=format, codec=codec)).samples
        bits = int("".join(filter(str.isdigit, codec)))
        np.testing.assert_allclose(samples, loud, atol=max(2.0 ** (1 - bits), 1e-6))

    def test_twelve_channels_in_planes(self):
        """PyAV's list of the planes of a frame is longer than the frame's channels."""
        file, layout = io.BytesIO(), "12 channels"
        samples = np.stack([sine(440)] * 6 + [sine(1000)] * 6, axis=1)  # (T, C)
        with av.open(file, "w", format="wv") as container:
            stream = container.add_stream("wavpack", rate=SAMPLING_RATE, layout=layout)
            frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="flt", layout=layout)
            frame.sample_rate = SAMPLING_RATE
            for packed in av.AudioResampler(stream.codec_context.format, layout, SAMPLING_RATE).resample(frame):
                container.mux(stream.encode(packed))
            container.mux(stream.encode(None))
        np.testing.assert_allclose(load_waveform(file.getvalue()).samples, samples.mean(1), atol=0.01)  # 8 bits

    @pytest.mark.parametrize("tag", [b"\x4f\x67", b"\x6f\x56", b"\x34\x12"])
    def test_a_codec_that_ffmpeg_does_not_support_in_wav(self, tag):
        """Vorbis in WAV, with its headers and without them, and a codec that does not exist."""
        with pytest.raises(InputError, match=r"the codec of its audio \(.*\) is not supported in this file format"):
            load_waveform(WAV[:20] + tag + WAV[22:])

    def test_a_video_without_audio(self):
        with pytest.raises(InputError, match=": no audio stream; give a recording, or a video with audio"):
            load_waveform(encoded(TONE, format="mp4", codec="aac", video=True, sound=False))

    def test_nan_in_a_file(self):
        samples = TONE.copy()
        samples[8000] = np.nan
        with pytest.raises(InputError, match=r"source \(bytes\): samples must be finite"):
            load_waveform(encoded(samples, format="wav", codec="pcm_f32le"))

    def test_missing_and_unreadable_paths(self, tmp_path):
        with pytest.raises(InputError, match=r"^/.*none.wav: no such file$"):
            load_waveform(tmp_path / "none.wav")
        with pytest.raises(InputError, match=r"^file:///.*none.wav: no such file$"):
            load_waveform((tmp_path / "none.wav").as_uri())
        with pytest.raises(InputError, match=r"^/.*: is a folder; give the files in it$"):
            load_waveform(str(tmp_path))
        with pytest.raises(InputError, match=r": cannot be opened .*null byte"):
            load_waveform("a\0b")

    def test_an_empty_file_object_may_be_at_its_end(self):
        file = io.BytesIO()
        file.write(WAV)
        with pytest.raises(InputError, match=r"source \(BytesIO\): the file is empty; call seek\(0\) first"):
            load_waveform(file)

    def test_a_text_file_object(self):
        with pytest.raises(InputError, match=r"read\(\) returned str, not bytes; open the file in binary mode, 'rb'"):
            load_waveform(io.StringIO("text"))

    @pytest.mark.parametrize("kind", [OSError, ValueError, RuntimeError, EOFError, RecursionError])
    def test_a_file_object_that_fails(self, kind):
        class Failing(io.BytesIO):
            def read(self, count):
                raise kind("no more tape")

        with pytest.raises(InputError, match=r"^source \(Failing\): reading was interrupted \(no more tape\)"):
            load_waveform(Failing())

    @pytest.mark.parametrize("readable", [0, len(WAV) // 2])
    def test_a_disk_that_fails_in_the_middle_is_no_short_recording(self, path, monkeypatch, readable):
        class Failing(io.BytesIO):
            def read(self, count):
                if self.tell() >= readable:
                    raise OSError(5, "Input/output error")
                return super().read(count)

        monkeypatch.setattr("photism.audio.sources._open_path", lambda source, name: Failing(path.read_bytes()))
        with pytest.raises(InputError, match=r"tone é 1.wav: reading was interrupted.*Input/output error"):
            load_waveform(path)

    @pytest.mark.parametrize("kind", [OSError, IndexError, ValueError, UnicodeError, RecursionError, EOFError])
    def test_whatever_pyav_raises_is_an_error_of_the_file(self, path, monkeypatch, kind):
        def fail(*arguments, **settings):
            raise kind("PyAV's words")

        with monkeypatch.context() as patch:
            patch.setattr(av, "open", fail)
            with pytest.raises(InputError, match=r"tone é 1.wav: not an audio or video file .*\(PyAV's words\)"):
                load_waveform(path)
        assert load_waveform(path).duration_s == 1

    def test_a_lack_of_memory_is_no_error_of_the_file(self, path, monkeypatch):
        def fail(*arguments, **settings):
            raise MemoryError

        monkeypatch.setattr(av, "open", fail)
        with pytest.raises(MemoryError):
            load_waveform(path)

    def test_a_header_that_points_before_the_beginning(self, tmp_path):
        """ASF's index is where its header says; the exception of the file's seek is not left to the next file."""
        path = tmp_path / "seek.asf"
        path.write_bytes(SEEKS_BEFORE_THE_BEGINNING)
        for source in (path, path.read_bytes()):
            with pytest.raises(InputError, match=r"^.*(seek.asf|bytes\)): not an audio or video file"):
                load_waveform(source)
            assert load_waveform(WAV).duration_s == 1

    def test_a_rate_for_a_file_is_rejected(self):
        with pytest.raises(InputError, match="sampling_rate and channel_axis are for arrays only"):
            load_waveform(WAV, sampling_rate=16_000)

    def test_max_duration(self):
        assert load_waveform(WAV, max_duration_s=1).duration_s == 1
        with pytest.raises(InputError, match=r"is longer than max_duration_s=1; cut it, or raise the limit"):
            load_waveform(wav(np.zeros(16_001, np.float32)), max_duration_s=1)
        assert load_waveform(wav(np.zeros(16_001, np.float32)), max_duration_s=math.inf).duration_s > 1

    def test_max_duration_stops_the_decoding(self, monkeypatch):
        decoded_s = 0.0

        def counted(file, name, **given):
            nonlocal decoded_s
            for rate, samples in decoded_blocks(file, name, **given):
                decoded_s += samples.shape[1] / rate
                yield rate, samples

        monkeypatch.setattr("photism.audio.decoding.decoded_blocks", counted)
        with pytest.raises(InputError, match="longer than max_duration_s=1"):
            load_waveform(wav(sine(440, seconds=10)), max_duration_s=1)
        assert 1 < decoded_s < 1.2

    def test_max_download_bytes_applies_to_file_objects(self):
        assert load_waveform(io.BytesIO(WAV), max_download_bytes=len(WAV)).duration_s == 1
        with pytest.raises(InputError, match=f": larger than max_download_bytes={len(WAV) - 1}; save it to a file"):
            load_waveform(io.BytesIO(WAV), max_download_bytes=len(WAV) - 1)


@pytest.mark.parametrize("suffix", ["m3u8", "ffconcat", "sdp"])
def test_a_playlist_causes_no_request(tmp_path, suffix):
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        text = {
            "m3u8": f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{address}/tone.wav\n#EXT-X-ENDLIST\n",
            "ffconcat": f"ffconcat version 1.0\nfile {address}/tone.wav\n",
            "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n",
        }[suffix]
        (tmp_path / f"list.{suffix}").write_text(text)
        with pytest.raises(InputError):
            load_waveform(tmp_path / f"list.{suffix}")
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()


def test_importing_and_decoding_do_not_import_torch(tmp_path):
    path = tmp_path / "tone.wav"
    path.write_bytes(WAV)
    code = (
        "import sys, photism.audio.waveform; assert not {'torch', 'av', 'soxr'} & set(sys.modules);"
        "photism.audio.waveform.load_waveform(sys.argv[1]); assert 'torch' not in sys.modules"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "src")}
    subprocess.run([sys.executable, "-c", code, path], check=True, env=environment)
