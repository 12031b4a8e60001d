#!/usr/bin/env bash
# Tests the wheel on aarch64: installs it in an emulated Debian, unmasks a photo, and runs the
# conformance suite with ONNX Runtime and LiteRT. On Debian, as root, from the repository root:
#
#   apt-get install qemu-user-static debootstrap
#   docs/aarch64.sh /tmp/aarch64
#
# Takes half an hour and 1 GB. Reuses what is in the folder already; delete it afterwards.
set -euo pipefail
folder=$1
suite=bookworm python=3.11 mirror=${MIRROR:-http://deb.debian.org/debian}
root=$folder/root wheels=$folder/root/wheels
# qemu's most capable CPU has instructions that few boards have.
export QEMU_CPU=${QEMU_CPU:-cortex-a76}

# Registers the emulator with the kernel, if no service has done so.
if [ ! -e /proc/sys/fs/binfmt_misc/register ]; then
    mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc
fi
if [ ! -e /proc/sys/fs/binfmt_misc/qemu-aarch64 ]; then
    cat /usr/lib/binfmt.d/qemu-aarch64.conf >/proc/sys/fs/binfmt_misc/register
fi
if [ ! -e "$root/usr/bin/python3" ] || [ -e "$root/debootstrap" ]; then
    debootstrap --arch=arm64 --foreign --variant=minbase --include=python3,python3-venv \
        "$suite" "$root" "$mirror"
    chroot "$root" /debootstrap/debootstrap --second-stage
fi

# Downloads outside, so that nothing inside needs a network: wheels for aarch64, and ours.
mkdir -p "$wheels"
platforms=(--platform manylinux_2_28_aarch64 --platform manylinux_2_27_aarch64
    --platform manylinux_2_17_aarch64 --platform manylinux2014_aarch64)
python3 -m pip wheel -q --no-deps -w "$wheels" .
python3 -m pip download -q -d "$wheels" -c constraints.txt --only-binary=:all: \
    --python-version "$python" "${platforms[@]}" \
    numpy opencv-python-headless pillow rich typer onnxruntime ai-edge-litert pytest
cp examples/surgical.jpg "$root/root/"

mountpoint -q "$root/proc" || mount -t proc proc "$root/proc"
trap 'umount "$root/proc"' EXIT
chroot "$root" /bin/bash -euo pipefail <<'INSIDE'
cd /root
export HOME=/root LC_ALL=C.UTF-8 OMP_NUM_THREADS=1
say() { echo "+ $*"; "$@"; }
say uname -m
[ -e /unmask/bin/pip ] || python3 -m venv /unmask
say /unmask/bin/pip install -q --no-index --find-links /wheels --no-compile \
    --force-reinstall --no-deps unmask-sdk
say /unmask/bin/pip install -q --no-index --find-links /wheels --no-compile \
    'unmask-sdk[cpu,tflite]' pytest
say /unmask/bin/unmask image surgical.jpg -o onnx.png --runtime onnx --model unmask-256-lite
say /unmask/bin/unmask verify --runtime onnx
say /unmask/bin/unmask verify --runtime tflite
suite="/unmask/bin/python -m unmask_sdk.runtimes.conformance --model unmask-256-lite"
say $suite --runtime onnx
say $suite --runtime tflite
INSIDE
