"""What is normal for this hour and weekday, and how far a value is from it."""
