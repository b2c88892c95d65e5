"""Writes golden cases: folders with a case.json and safetensors files that `quern verify` replays."""

import json
import shutil
from pathlib import Path

import safetensors.torch
import torch

GOLDENS = Path(__file__).resolve().parent.parent / "goldens"
LARGEST_CASE_BYTES = 400_000


def new_case(kind: str, name: str) -> Path:
    """An empty folder goldens/<kind>-<name>; what an earlier run left there is removed."""
    folder = GOLDENS / f"{kind}-{name}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def write_json(path: Path, content: dict) -> None:
    """Writes indented JSON that ends in a newline."""
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def write_tensors(path: Path, tensors: dict[str, torch.Tensor]) -> None:
    """Writes contiguous tensors; safetensors itself orders them."""
    safetensors.torch.save_file({name: t.detach().contiguous().clone() for name, t in tensors.items()}, path)


def finish(folder: Path) -> None:
    """Checks the size limit of a committed case and prints one line."""
    size = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())
    if size > LARGEST_CASE_BYTES:
        raise SystemExit(f"{folder.name}: {size} bytes, more than the {LARGEST_CASE_BYTES} a case may have")
    print(f"{folder.name}: {size} bytes")
