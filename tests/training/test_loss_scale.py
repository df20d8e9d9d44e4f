from photism.training.loss_scale import GROWTH_STEPS, LossScale


def test_the_scale_is_halved_down_to_1():
    scale = LossScale(4.0)
    assert [(scale.shrink(), scale.value) for _ in range(3)] == [(True, 2.0), (True, 1.0), (False, 1.0)]


def test_the_scale_is_doubled_after_many_steps_without_overflow():
    scale = LossScale(4.0)
    for _ in range(GROWTH_STEPS - 1):
        scale.grow()
    assert (scale.value, scale.good_steps) == (4.0, GROWTH_STEPS - 1)
    scale.shrink()
    for _ in range(GROWTH_STEPS):
        scale.grow()
    assert (scale.value, scale.good_steps) == (4.0, 0)


def test_a_training_without_a_scale_keeps_1():
    scale = LossScale()
    for _ in range(GROWTH_STEPS):
        scale.grow()
    assert scale.value == 1.0
