"""The language-model experiment: teachers with a preference write numbers, students learn from them."""
