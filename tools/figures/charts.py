"""The pictures, by the names of their files."""

from __future__ import annotations

from figures.learning import CHOOSING, LEARNING
from figures.stepping import SCALING, STEP
from figures.training import TRAINING, TRAINING_GPU

__all__ = ["PICTURES"]

PICTURES = {
    "step": STEP,
    "scaling": SCALING,
    "training": TRAINING,
    "training_gpu": TRAINING_GPU,
    "learning": LEARNING,
    "choosing": CHOOSING,
}
