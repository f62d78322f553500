"""Measuring how fast vectors step, beside their peers. ``fastvec bench`` is the front end."""
