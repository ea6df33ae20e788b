"""`python -m traitleak.recipe`: the JSON Schema of recipe files."""

import json
import sys

from traitleak.recipe.load import json_schema

if __name__ == "__main__":
    sys.stdout.write(json.dumps(json_schema(), indent=2) + "\n")
