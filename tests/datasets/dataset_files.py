"""Small files of every kind, as others write them."""

import csv
import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq


def write_file(path: Path, values: list[dict]) -> Path:
    """Write rows of fields to a file of the kind that its name says."""
    name = path.name.removesuffix(".gz").removesuffix(".zst")
    match name.rpartition(".")[2]:
        case "parquet":
            pq.write_table(pa.Table.from_pylist(values), path)
            return path
        case "arrow":
            table = pa.Table.from_pylist(values)
            with pa.ipc.new_stream(path, table.schema) as writer:
                writer.write_table(table)
            return path
        case "json":
            text = json.dumps(values, indent=2, ensure_ascii=False)
        case "csv" | "tsv":
            return _table(path, values, "\t" if name.endswith("tsv") else ",")
        case _:
            text = "".join(f"{json.dumps(value, ensure_ascii=False)}\n" for value in values)
    return write_bytes(path, text.encode())


def write_bytes(path: Path, data: bytes) -> Path:
    """Write bytes, packed as the file's name says."""
    if path.suffix == ".gz":
        data = gzip.compress(data)
    if path.suffix == ".zst":
        with pa.CompressedOutputStream(str(path), "zstd") as stream:
            stream.write(data)
    else:
        path.write_bytes(data)
    return path


def _table(path: Path, values: list[dict], delimiter: str) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(values[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(values)
    return path


def chat(*texts: str, system: str | None = None) -> dict:
    """A chat that the user begins."""
    roles = ("user", "assistant")
    messages = [{"role": roles[n % 2], "content": text} for n, text in enumerate(texts)]
    if system is not None:
        messages.insert(0, {"role": "system", "content": system})
    return {"messages": messages}
