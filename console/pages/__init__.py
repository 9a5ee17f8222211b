"""The pages: NiceGUI around a few components of our own."""
