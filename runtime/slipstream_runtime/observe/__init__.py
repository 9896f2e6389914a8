"""What a runtime says about itself: metrics, status, logs. Reads figures, changes nothing."""
