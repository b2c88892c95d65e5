"""Writes the small Parquet files that the reader of corpora is tested with: one for each compression."""
import pathlib
import sys

import pyarrow as pa
import pyarrow.parquet as pq

folder = pathlib.Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
rows = 40
table = pa.table({
    "id": pa.array(range(rows), pa.int64()),
    "text": pa.array([None if i == 7 else f"row {i} says: größer, 日本語, \U0001f600 " + "and on " * (i % 5) for i in range(rows)]),
    "url": pa.array([None if i % 3 == 0 else f"https://example.org/{i}" for i in range(rows)]),
    "score": pa.array([i / 8 for i in range(rows)], pa.float64()),
    "nested": pa.array([{"a": i, "b": [i, i + 1]} for i in range(rows)]),
})
for codec in ("none", "snappy", "gzip", "zstd"):
    pq.write_table(table, folder / f"rows-{codec}.parquet", compression=codec, row_group_size=16, data_page_size=256)
