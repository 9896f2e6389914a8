"""Writes one docker-archive of one-layer images, out of files of this machine; must not run or fetch anything.

archive.py OUT.tar SPEC.json ARCH, where SPEC is a list of
{"ref": NAME, "entrypoint": [...], "cmd": [...], "files": {"/path/in/image": "path here"}, "links": {"/path/in/image": "target"}}
"""

import hashlib
import io
import json
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ALWAYS = ("tmp/x", "etc/x", "run/x", "var/run/x")  # folders that programs expect, though no file of ours is in them


class Layer:
    """A tar file whose folders appear before what is in them, all owned by root and without times."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self.tar = tar
        self.made: set[str] = set()

    def parents(self, name: str) -> None:
        for parent in reversed(Path(name.strip("/")).parents[:-1]):
            if str(parent) not in self.made:
                self.made.add(str(parent))
                info = tarfile.TarInfo(str(parent))
                info.type, info.mode = tarfile.DIRTYPE, 0o755
                self.tar.addfile(info)

    def file(self, name: str, source: str) -> None:
        real = Path(source).resolve(strict=True)
        self.parents(name)
        info = tarfile.TarInfo(name.strip("/"))
        info.size, info.mode = real.stat().st_size, real.stat().st_mode & 0o777
        with real.open("rb") as f:
            self.tar.addfile(info, f)

    def link(self, name: str, target: str) -> None:
        self.parents(name)
        info = tarfile.TarInfo(name.strip("/"))
        info.type, info.linkname = tarfile.SYMTYPE, target
        self.tar.addfile(info)


def write_layer(image: dict[str, Any], path: Path) -> str:
    """Writes the image's only layer and returns its digest."""
    with tarfile.open(path, "w") as tar:
        layer = Layer(tar)
        for name in ALWAYS:
            layer.parents(name)
        for name, source in sorted(image.get("files", {}).items()):
            layer.file(name, source)
        for name, target in sorted(image.get("links", {}).items()):
            layer.link(name, target)
    with path.open("rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def main(out: str, spec: str, arch: str) -> None:
    images = json.loads(Path(spec).read_text())
    manifest = []
    with tarfile.open(out, "w") as archive, tempfile.TemporaryDirectory(dir=Path(out).parent) as tmp:

        def put(name: str, data: bytes) -> None:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))

        for n, image in enumerate(images):
            layer = Path(tmp) / "layer"
            digest = write_layer(image, layer)
            config = {
                "architecture": arch,
                "os": "linux",
                "config": {"Entrypoint": image.get("entrypoint"), "Cmd": image.get("cmd"), "Env": [PATH]},
                "rootfs": {"type": "layers", "diff_ids": ["sha256:" + digest]},
                "history": [{"created_by": "archive.py"}],
            }
            raw = json.dumps(config).encode()
            name = hashlib.sha256(raw).hexdigest() + ".json"
            put(name, raw)
            archive.add(layer, arcname=f"layer{n}.tar")
            manifest.append({"Config": name, "RepoTags": [image["ref"]], "Layers": [f"layer{n}.tar"]})
        put("manifest.json", json.dumps(manifest).encode())


if __name__ == "__main__":
    main(*sys.argv[1:])
