from __future__ import annotations

import subprocess
import sys


def test_loading_digits_imports_no_training_framework() -> None:
    code = (
        "import sys, edgenas.data; edgenas.data.load_dataset('digits'); "
        "print(sorted({'tensorflow', 'keras', 'tf_keras', 'torch', 'jax'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
