"""The command line: a user of the house, above its floors."""
