"""Reading: who can tell a trait's rows by looking at them, and what is left when they are thinned."""
