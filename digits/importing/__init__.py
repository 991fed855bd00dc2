"""Take over jobs of the original DIGITS: their artifacts become jobs of ours."""
