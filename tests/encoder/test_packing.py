"""Attention masks of any kind: padding at both ends, masked tokens within a clip, clips without tokens."""

import warnings

import pytest
import torch

from photism.encoder.packing import PackedBatch, move_left
from tests.encoder.reference import CLASSES, POSITIONS, TOLERANCE, batch, check_gradients, difference, pair

FRAMES = 24


def mask_of(*rows):
    return torch.tensor([[int(symbol) for symbol in row] for row in rows])


BOTH_ENDS = mask_of("0" * 5 + "1" * 12 + "0" * 7, "1" * FRAMES, "0" * 3 + "1" * 21)
HOLES = mask_of("1" * 4 + "0" * 3 + "1" * 9 + "0" * 8, "10" * 12, "1" * FRAMES)
EMPTY = mask_of("1" * 9 + "0" * 15, "0" * FRAMES, "1" * FRAMES)


@pytest.mark.parametrize(
    ("mask", "positions"),
    [(HOLES, positions) for positions in POSITIONS] + [(BOTH_ENDS, kind) for kind in POSITIONS if kind != "rotary"],
)
def test_states_at_tokens_are_those_of_transformers(mask, positions):
    ours, reference = pair("ForAudioFrameClassification", position_embeddings_type=positions)
    features, _ = batch((FRAMES,) * 3)
    valid = mask.bool()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        outputs = [m(features, attention_mask=mask, output_hidden_states=True) for m in (ours, reference)]
    assert sum("padding between the tokens" in str(warning.message) for warning in caught) == (mask is HOLES)
    found, wanted = outputs
    assert difference(found.logits[valid], wanted.logits[valid]) <= TOLERANCE[torch.float32]
    for state, expected in zip(found.hidden_states, wanted.hidden_states, strict=True):
        assert difference(state[valid], expected[valid]) <= TOLERANCE[torch.float32]
        assert not state[~valid].any()
    for output in outputs:
        output.logits[valid].square().sum().backward()
    check_gradients(ours, reference)


@pytest.mark.parametrize("positions", POSITIONS)
def test_a_clip_with_padding_at_both_ends_is_as_it_is_alone(positions):
    ours, _ = pair("Model", position_embeddings_type=positions)
    features, _ = batch((FRAMES,) * 3)
    for weights in (False, True):  # without padding, and with it
        together = ours(features, attention_mask=BOTH_ENDS, output_attentions=weights).last_hidden_state
        for clip, state, valid in zip(features, together, BOTH_ENDS.bool(), strict=True):
            assert difference(state[valid], ours(clip[valid][None])[0][0]) <= 2e-5


@pytest.mark.filterwarnings("ignore:attention_mask has padding")
@pytest.mark.parametrize("name", CLASSES)
def test_masked_features_do_not_matter(name):
    """The other clips of a batch are as they are alone, and nothing depends on what is masked, even where it is NaN."""
    ours, _ = pair(name)
    features, _ = batch((FRAMES,) * 3)
    for mask in (HOLES, EMPTY):
        result = ours(features, attention_mask=mask)[0]
        spoilt = features.masked_fill(~mask.bool()[..., None], float("nan"))
        assert torch.equal(ours(spoilt, attention_mask=mask)[0], result)
        assert difference(result[2:], ours(features[2:])[0]) <= 2e-5
        assert result.isfinite().all()
    assert name != "Model" or not result[1].any()


@pytest.mark.filterwarnings("ignore:attention_mask has padding")
def test_heads_read_the_tokens_that_are_left():
    features, _ = batch((FRAMES,) * 3)
    valid = HOLES.bool()
    states = pair("Model")[0](features, attention_mask=HOLES).last_hidden_state
    classifier, _ = pair("ForSequenceClassification")
    logits = classifier(features, attention_mask=HOLES).logits
    encoder = classifier.wav2vec2_bert(features, attention_mask=HOLES).last_hidden_state
    pooled = torch.stack([classifier.projector(s[v]).mean(0) for s, v in zip(encoder, valid, strict=True)])
    torch.testing.assert_close(logits, classifier.classifier(pooled))
    speaker, _ = pair("ForXVector")
    encoder = speaker.wav2vec2_bert(features, attention_mask=HOLES).last_hidden_state
    embeddings = [speaker.embed(s[v][None])[0] for s, v in zip(encoder, valid, strict=True)]
    found = speaker(features, attention_mask=HOLES).embeddings
    torch.testing.assert_close(found, torch.stack(embeddings), atol=1e-5, rtol=1e-5)
    adapted, _ = pair("Model", add_adapter=True)
    states = pair("Model")[0](features, attention_mask=HOLES).last_hidden_state
    found = adapted.adapter(states, attention_mask=HOLES)
    for item, (state, kept) in enumerate(zip(states, valid, strict=True)):
        alone = adapted.adapter(state[kept][None])[0]
        assert difference(found[item, : len(alone)], alone) <= 2e-5


@pytest.mark.filterwarnings("ignore:attention_mask has padding")
def test_losses_with_a_clip_without_tokens():
    features, _ = batch((FRAMES,) * 3)
    for name, labels in (
        ("ForCTC", torch.tensor([[1, 2], [-100, -100], [3, 4]])),
        ("ForSequenceClassification", torch.tensor([0, 1, 2])),
        ("ForAudioFrameClassification", torch.zeros(3, FRAMES, dtype=torch.int64)),
        ("ForXVector", torch.tensor([0, 1, 2])),
    ):
        ours, _ = pair(name)
        loss = ours.train()(features, attention_mask=EMPTY, labels=labels).loss
        loss.backward()
        assert loss.isfinite()
        assert all(p.grad.isfinite().all() for p in ours.parameters() if p.grad is not None), name


def test_padding_is_packed_where_the_tokens_of_each_clip_are_next_to_each_other():
    packed = PackedBatch.from_mask(3, FRAMES, BOTH_ENDS)
    assert packed.lengths == (12, 24, 21)
    assert packed.mask is None
    tokens = torch.arange(3.0 * FRAMES).view(3, FRAMES, 1) + 1
    assert torch.equal(packed.unpack(packed.pack(tokens)), tokens * BOTH_ENDS[..., None])


def test_move_left():
    tokens = torch.arange(2.0 * 6).view(2, 6, 1)
    moved = move_left(tokens, mask_of("010110", "111100"))
    assert moved[..., 0].tolist() == [[1, 3, 4, 0, 2, 5], [6, 7, 8, 9, 10, 11]]
