"""What came of the parts: OUT/gpu_check.json and the table OUT/gpu_check.md, written anew, whole, after each part."""
import json
import os
import sys

import table


def write_atomically(path, text):
    with open(path + ".new", "w", encoding="utf-8", errors="replace") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(path + ".new", path)


class Results:
    def __init__(self, folder, merge):
        """`merge`: into the file that is there."""
        self.file = os.path.join(folder, "gpu_check.json")
        self.table = os.path.join(folder, "gpu_check.md")
        self.data = {"parts": {}}
        if merge and os.path.exists(self.file):
            self.take()

    def take(self):
        try:
            with open(self.file, encoding="utf-8") as file:
                data = json.load(file)
            if not all(isinstance(part["state"], str) for part in data["parts"].values()):
                raise ValueError("its parts have no states")
            self.data = data
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            os.replace(self.file, self.file + ".unreadable")
            print(f"gpu_check: {self.file} is no result of gpu_check ({error}); moved to {self.file}.unreadable", file=sys.stderr)

    def part(self, name):
        """What a part wrote down, if it ran."""
        return self.data["parts"].get(name, {}).get("result", {})

    def write(self, order):
        parts = self.data["parts"]
        self.data["parts"] = {name: parts[name] for name in order if name in parts} | parts
        try:
            write_atomically(self.file, json.dumps(self.data, indent=1, default=str))
            write_atomically(self.table, table.text(self.data))
        except OSError as error:  # the next part may find room again, and its figures are printed all the same
            print(f"gpu_check: {error}", file=sys.stderr)
