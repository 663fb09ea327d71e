"""Problems that `outthink micro generate` writes, on standard input, as GSM8K has them."""

import json
import sys

for line in sys.stdin:
    row = json.loads(line)
    print(json.dumps({"question": row["problem"], "answer": "\n".join(row["steps"]) + f"\n#### {row['answer']}"}))
