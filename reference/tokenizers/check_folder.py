"""Loads a tokenizer folder saved by Quern with transformers and checks that a text survives it.

Usage: python check_folder.py FOLDER TEXT_FILE
"""

import sys
from pathlib import Path

from transformers import AutoTokenizer


def main() -> int:
    """Prints what was found; 0 when the text came back unchanged."""
    tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
    text = Path(sys.argv[2]).read_bytes().decode("utf-8")
    ids = tokenizer.encode(text, add_special_tokens=False)
    same = tokenizer.decode(ids) == text
    print(f"{type(tokenizer).__name__}: {len(tokenizer)} tokens, {len(ids)} ids, eos {tokenizer.eos_token_id}, same {same}")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
