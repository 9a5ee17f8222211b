"""The live loop: capture ∥ detect ∥ judge, several cameras on one detector."""
