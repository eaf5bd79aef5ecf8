"""What is made of the evidence: the judgement, the report files, the pictures and the page."""

import logging

# It lists the fonts of every environment that it was ever run from, and complains of those that are gone; what is drawn
# here needs none but the one that it brings.
logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)
