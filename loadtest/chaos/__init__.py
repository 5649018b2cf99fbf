"""The parts of the chaos suite: `loadtest/chaos.py` runs them, `docs/reliability.md` explains them."""
