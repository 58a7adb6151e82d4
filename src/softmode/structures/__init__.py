"""Crystals without a reference: from structure files, and from formulas with a prototype and ionic radii."""
