"""Images on a microcontroller: from a data set to C that is proven on this computer.

    python examples/image_on_microcontroller.py

Fashion-MNIST where it is installed (Debian: `apt install dataset-fashion-mnist`), else scikit-learn's digits.
The device is ST's NUCLEO-L4R5ZI: a Cortex-M4 at 120 MHz. Nothing is downloaded.
"""

from pathlib import Path

from steps import ONE, SHORT, best_winner, fresh, run, run_c_test_vectors, say

from edgenas.data.named import DEBIAN_FASHION_MNIST

RUN = Path("runs") / "image-on-microcontroller"
FASHION = ("fashion-mnist", "--latency-ms", 300, "--ram-kib", 32, "--flash-kib", 64, "--minutes", 10)
DIGITS = ("digits", "--latency-ms", 50, "--ram-kib", 16, "--flash-kib", 32, "--trials", 12, "--seeds", 1)
FEW = ("digits", "--ram-kib", 16, "--flash-kib", 24, *ONE, "--epochs", 8, "--final-epochs", 12)


def main():
    data, *limits = FEW if SHORT else FASHION if DEBIAN_FASHION_MNIST.is_dir() else DIGITS
    say(
        f"1. Search networks for {data}. Those over a budget are refused before they are trained; the others",
        "   are trained a little, and the best of them in full. Then each winner is quantized and checked.",
    )
    fresh(RUN)
    run("search", "--data", data, "--device", "nucleo-l4r5zi", *limits, "--out", RUN)
    bundle = best_winner(RUN)
    say(
        f"2. Prove the winner again, as anyone can who gets its folder: {bundle}",
        "   Checksums, test vectors in each runtime, C sources, accuracies on the test images.",
    )
    run("verify", bundle, "--data", data)
    say("3. Build the C for this computer with the bundle's own project and run its test vectors.")
    run_c_test_vectors(bundle)
    say(
        f"Done. For the firmware: {bundle}/c, ready projects in {bundle}/projects",
        f"The winner's figures and limits: {bundle}/model_card.md",
        f"The whole search: {RUN}/report.html",
    )


if __name__ == "__main__":
    main()
