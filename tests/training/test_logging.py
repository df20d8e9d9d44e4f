"""The logs of a training that is killed and resumed."""

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from photism.training.logging import METRICS, Listener, TrainingLogger, read_log
from photism.training.task import Evaluation


def run(folder, first, last):
    logger = TrainingLogger(folder, is_main=True, listener=Listener())
    logger.open(first)
    for step in range(first if first == 0 else first + 1, last + 1):
        logger.log_evaluation(step, Evaluation({"accuracy": step / 10}))
    logger.close()


def test_each_step_is_logged_once_wherever_the_training_was_killed(tmp_path):
    for first, last in ((0, 0), (0, 2), (1, 3)):  # killed before a checkpoint, and after the one of step 1
        run(tmp_path, first, last)
    assert [row["step"] for row in read_log(tmp_path / METRICS)] == [0, 1, 2, 3]
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [event.step for event in events.Scalars("measured/accuracy")] == [0, 1, 2, 3]
