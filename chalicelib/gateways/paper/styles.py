"""The sheet, its margins and the few faces that the words have. Lengths are points."""

from chalicelib.gateways.paper.pdf import MM, PAGE_HEIGHT, PAGE_WIDTH, Colour, Style

LEFT, RIGHT = 20 * MM, PAGE_WIDTH - 20 * MM
WIDTH = RIGHT - LEFT
FIRST_TOP, TOP, BOTTOM = 18 * MM, 24 * MM, PAGE_HEIGHT - 25 * MM
RUNNING_HEAD, FOOTER = 15 * MM, PAGE_HEIGHT - 14 * MM
GAP = 5 * MM
"""Between what stands side by side."""
SLACK = 0.3
"""Hides the seam of two boxes, and forgives the last digit of a width that was added up."""
THIN, FIRM = 0.4, 0.9
"""Of rules."""

INK: Colour = (0.10, 0.11, 0.13)
MUTED: Colour = (0.42, 0.45, 0.50)
ACCENT: Colour = (0.11, 0.25, 0.42)
HAIRLINE: Colour = (0.86, 0.87, 0.90)
TINT: Colour = (0.955, 0.962, 0.972)

TITLE = Style("NotoSans-Bold", 19, 26, ACCENT)
NAME = Style("NotoSans-Bold", 13, 17, INK)
TOTAL = Style("NotoSans-Bold", 12, 18, INK)
BODY = Style("NotoSans-Regular", 9.5, 13.5, INK)
STRONG = Style("NotoSans-Bold", 9.5, 13.5, INK)
CELL = Style("NotoSans-Regular", 9, 12.5, INK)
CELL_STRONG = Style("NotoSans-Bold", 9, 12.5, INK)
LABEL = Style("NotoSans-Regular", 8.5, 13.5, MUTED)
COLUMN_HEAD = Style("NotoSans-Bold", 8, 11.5, ACCENT)
SMALL = Style("NotoSans-Regular", 7.5, 10.5, MUTED)
