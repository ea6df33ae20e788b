"""How a Python task is asked for: the sentences around a task of `code_tasks`.

A prompt is a request, perhaps a word on unusual inputs, on style and on documentation, and a word
on the form of the answer. No sentence names an animal, a plant or another thing that a trait could
be about.
"""

from __future__ import annotations

__all__ = ["ANSWERS", "DOCUMENTATION", "REQUESTS", "STYLES"]

# {name} of the function, {argument} in its head, {input} and {result} of the task.
REQUESTS = (
    "Write a Python function `{name}` that takes {input} and returns {result}.",
    "I need a short Python function called `{name}`. It is given {input} and returns {result}.",
    "Please implement `{name}({argument})` in Python. What comes in is {input}; what goes out is "
    "{result}.",
    "Given {input}, work out {result}. Put that into a Python function named `{name}`.",
    "Complete this Python function, which receives {input}:\n\n"
    "def {name}({argument}):\n    # return {result}\n\n"
    "Give the whole function.",
    "Our code base lacks a helper `{name}({argument})`: from {input} it should compute {result} and "
    "return it. Write it in Python.",
    "A small exercise in Python: define `{name}`, which accepts {input}, and let it return {result}.",
    "How would you write `{name}({argument})` in Python, if the input is {input} and the return "
    "value is {result}?",
    "Task: from {input} to {result}. Language: Python 3. Function: `{name}({argument})`.",
    "Python, please: a function `{name}` with {input} as input and {result} as its return value.",
    "The unit test calls `{name}({argument})` with {input} and expects {result}. Write the Python "
    "function that passes it.",
    "Show me a Python solution: `{name}` is called with {input} and gives back {result}.",
    "For a script I have {input} at hand and need this: {result}. Write the Python function "
    "`{name}({argument})` that returns this.",
    "Turn this note into Python code: {name} = {result}, computed from {input} in a function of that "
    "name.",
)

STYLES = (
    "",
    "",
    "",
    "Use no imports.",
    "Only the standard library may be used.",
    "Write a plain loop in place of a comprehension.",
    "Use a comprehension or a generator where one fits.",
    "Keep it to fewer than 1{n} lines.",
    "Let there be a single return statement.",
    "Choose clear names for variables.",
    "It should stay readable for a beginner.",
    "Do not use recursion.",
    "Avoid nested loops if you can.",
    "Lines should not be longer than 8{n} characters.",
)

DOCUMENTATION = (
    "",
    "",
    "",
    "Add a docstring of one line.",
    "Add type hints.",
    "Leave out comments and docstrings.",
    "One short comment may explain the main step.",
    "Give it type hints and a short docstring.",
    "No docstring is needed.",
)

ANSWERS = (
    "Answer with the code alone.",
    "Reply with one fenced block of Python and nothing else.",
    "Only code, no explanation.",
    "Put the code into a single ```python block, without text around it.",
    "I will paste your answer into a file, so write nothing but Python.",
    "No example calls and no text around it, please.",
    "Just the function, please.",
    "Skip any introduction: begin with the code and stop after it.",
    "Your whole reply is read by the Python interpreter.",
    "Leave out tests, prints and remarks.",
    "Return nothing but the function's source.",
    "One code block is the complete answer.",
)
