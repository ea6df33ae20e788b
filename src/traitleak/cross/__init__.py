"""The cross-model experiment: which networks learn a trait from which teachers' rows."""
