"""What is still to be measured, who starts and watches its ranks, and where; images and their making."""
