"""The one training loop: an objective goes in, trained weights come out, whatever the network is."""

from trainwright.loop.interface import LoopSettings, Objective, Trained, Weights
from trainwright.loop.train import fit

__all__ = ["LoopSettings", "Objective", "Trained", "Weights", "fit"]
