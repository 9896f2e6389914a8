"""Prints archive.py's SPEC of all images that a node carries; must not change anything.

node_spec.py ROOTFS BIN KUBERNETES_VERSION PROVISIONER_REF HELPER_REF
Programs come from BIN (built from Go modules); the system tools that some of them call come from ROOTFS with their libraries.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

IPTABLES = ("iptables", "iptables-save", "iptables-restore", "ip6tables", "ip6tables-save", "ip6tables-restore")


def output(*command: str) -> str:
    return subprocess.check_output(command, text=True)


def tools(root: str, *paths: str) -> dict[str, str]:
    """The given programs of the rootfs and the shared libraries that they need, each as {path in image: file here}."""
    files = {}
    for path in paths:
        wanted = [path]
        for line in output("chroot", root, "ldd", path).splitlines():
            target = line.split("=>")[-1].split()[0]
            if target.startswith("/"):
                wanted.append(target)
        for name in wanted:
            files[name] = root + output("chroot", root, "readlink", "-f", name).strip()
    return files


def image(ref: str, *, entrypoint: list[str] | None = None, files: dict[str, str], links: dict[str, str] | None = None) -> dict[str, Any]:
    return {"ref": ref, "entrypoint": entrypoint, "files": files, "links": links or {}}


def main(root: str, bin_: str, version: str, provisioner: str, helper: str) -> None:
    config = Path(root, "etc/containerd/config.toml").read_text()
    sandbox = next(line.split('"')[1] for line in config.splitlines() if line.strip().startswith("sandbox_image"))
    spec = [
        image(
            "docker.io/local/kindnet-lite:1",
            entrypoint=["/kindnet-lite"],
            files={"/kindnet-lite": bin_ + "/kindnet-lite", **tools(root, "/usr/sbin/nft")},
        ),
        image("docker.io/local/hello:1", entrypoint=["/hello"], files={"/hello": bin_ + "/hello"}),
        image(provisioner, files={"/usr/local/bin/local-path-provisioner": bin_ + "/local-path-provisioner"}),
        image(helper, files=tools(root, "/usr/bin/sh", "/usr/bin/rm", "/usr/bin/mkdir"), links={"/bin/sh": "/usr/bin/sh"}),
    ]
    # the extensions of iptables too: libxt_statistic.so wants libm, which iptables itself does not
    xtables = ["/" + str(p.relative_to(root)) for p in sorted(Path(root).glob("usr/lib/*/xtables/*.so"))]
    for ref in output(bin_ + "/kubeadm", "config", "images", "list", "--kubernetes-version", "v" + version).split():
        name = ref.rsplit("/", 1)[1].split(":")[0]
        if name == "pause":  # kind uses the sandbox image of containerd's configuration, not kubeadm's
            spec.append(image(sandbox, entrypoint=["/pause"], files={"/pause": bin_ + "/pause"}))
        elif name == "etcd":
            spec.append(image(ref, files={"/usr/local/bin/etcd": bin_ + "/server"}))
        elif name == "coredns":
            spec.append(image(ref, entrypoint=["/coredns"], files={"/coredns": bin_ + "/coredns"}))
        elif name == "kube-proxy":
            files = tools(root, "/usr/sbin/xtables-nft-multi", "/usr/sbin/nft", *xtables)
            links = {"/usr/sbin/" + link: "xtables-nft-multi" for link in IPTABLES}
            spec.append(image(ref, files={"/usr/local/bin/kube-proxy": bin_ + "/kube-proxy", **files}, links=links))
        else:
            spec.append(image(ref, files={"/usr/local/bin/" + name: bin_ + "/" + name}))
    json.dump(spec, sys.stdout, indent=1)


if __name__ == "__main__":
    main(*sys.argv[1:])
