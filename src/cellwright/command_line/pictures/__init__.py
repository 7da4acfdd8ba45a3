"""Pictures that the commands leave; matplotlib is imported when one is drawn."""
