#!/usr/bin/env bash
# node-image.sh ROOTFS BIN SMALL KEY: builds kind's node image from a bare Debian, kind's own files and our binaries; must not change ROOTFS or BIN.
# The image is tagged kindest/node:v$KV and carries KEY as a label, by which "up" knows whether it is current.
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin
base=$1 bin=$2 small=$3 key=$4
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=go.sh
. "$here/go.sh"
step() { echo "[$(date +%T)] $*"; }
in_ns() { nsenter --net="/run/netns/$NETNS" env DOCKER_HOST="unix://$RUN/docker.sock" DOCKER_BUILDKIT=0 "$@"; }
docker=/usr/bin/docker
[ -x $docker ] || docker=$(command -v docker)

work=$(mktemp -d "$CACHE/build/node.XXXXXX")
trap 'rm -rf "$work"' EXIT
root=$work/root
step "copy of the bare Debian"
cp -a "$base" "$root"

step "kind's files and services"
kind=$(go mod download -json "sigs.k8s.io/kind@$KINDV" | jq -r .Dir)
(cd "$kind/images/base/files" && find . -type f ! -path './LICENSES/*') | while read -r f; do
  case $f in ./usr/local/bin/* | ./kind/bin/*) m=0755 ;; *) m=0644 ;; esac
  install -D -m $m "$kind/images/base/files/$f" "$root/$f"
done
chmod 755 "$root/kind" "$root/kind/bin"
find "$root/lib/systemd/system/sysinit.target.wants/" -name systemd-tmpfiles-setup.service -delete
rm -f "$root"/lib/systemd/system/multi-user.target.wants/* "$root"/etc/systemd/system/*.wants/* \
  "$root"/lib/systemd/system/local-fs.target.wants/* "$root"/lib/systemd/system/sockets.target.wants/*udev* \
  "$root"/lib/systemd/system/sockets.target.wants/*initctl* "$root"/lib/systemd/system/basic.target.wants/*
echo ReadKMsg=no >>"$root/etc/systemd/journald.conf"
chroot "$root" systemctl enable kubelet.service containerd.service undo-mount-hacks.service
chroot "$root" systemctl mask systemd-binfmt.service
mkdir -p "$root/etc/kubernetes/manifests" "$root/opt/cni/bin" "$root/kind/manifests"

step "settings for machines with fewer privileges"
# Without CAP_SYS_RESOURCE containerd may not lower oom_score_adj (kind's entrypoint makes the same edit for rootless).
sed -i 's/restrict_oom_score_adj = false/restrict_oom_score_adj = true/' "$root/etc/containerd/config.toml"
ln -sf /usr/bin/containerd "$root/usr/local/bin/containerd"
if [ -x "$bin/containerd" ]; then
  rm -f "$root/usr/local/bin/containerd"
  install -m 0755 "$bin"/{containerd,ctr,containerd-shim-runc-v2} "$root/usr/local/bin/"
fi
cp -f "$root"/usr/lib/cni/* "$root/opt/cni/bin/"
hook='.hooks.createContainer[.hooks.createContainer|length] |= . + {"path":"/kind/bin/mount-product-files.sh"}'
chroot "$root" ctr oci spec | jq "$hook | del(.process.rlimits)" >"$root/etc/containerd/cri-base.json"
install -m 0755 "$here/crictl-lite" "$root/usr/local/bin/crictl"
rm -f "$root"/etc/cni/net.d/*
# With cgroup v1 the kubelet refuses to start since 1.35 unless told otherwise; with cgroup v2 the flag means nothing.
echo 'KUBELET_EXTRA_ARGS=--runtime-cgroups=/system.slice/containerd.service --fail-cgroupv1=false' >"$root/etc/default/kubelet"
cp "$here/default-cni.yaml" "$root/kind/manifests/"
# kind's own storage manifest, read out of its source; its two images are made below under the names that it gives
storage=$kind/pkg/build/nodeimage/const_storage.go
"$PYTHON" "$here/goconst.py" "$storage" defaultStorageManifest >"$root/kind/manifests/default-storage.yaml"
provisioner=$("$PYTHON" "$here/goconst.py" "$storage" storageProvisionerImage)
helper=$("$PYTHON" "$here/goconst.py" "$storage" storageHelperImage)

step "Kubernetes and its images"
install -m 0755 "$bin"/{kubeadm,kubelet,kubectl} "$root/usr/bin/"
echo -n "v$KV" >"$root/kind/version"
mkdir "$work/programs"
cp -l "$bin"/* "$small"/* "$work/programs/" 2>/dev/null || cp "$bin"/* "$small"/* "$work/programs/"
"$PYTHON" "$here/node_spec.py" "$root" "$work/programs" "$KV" "$provisioner" "$helper" >"$work/spec.json"
"$PYTHON" "$here/archive.py" "$work/images.tar" "$work/spec.json" "$(dpkg --print-architecture)"

step "images into the node's containerd store"
cat >"$work/containerd.toml" <<TOML
version = 2
root = "$root/var/lib/containerd"
state = "$work/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
oom_score = 0
[grpc]
  address = "$work/sock"
[plugins."io.containerd.internal.v1.opt"]
  path = "$work/opt"
TOML
containerd -c "$work/containerd.toml" >"$work/containerd.log" 2>&1 &
containerd=$!
store() { ctr -a "$work/sock" -n k8s.io "$@"; }
for _ in $(seq 100); do
  if store version >/dev/null 2>&1; then break; fi
  sleep 0.1
done
store images import --all-platforms --no-unpack "$work/images.tar" || {
  cat "$work/containerd.log"
  kill $containerd
  exit 1
}
for i in $(store images ls -q); do store images label "$i" io.cri-containerd.image=managed >/dev/null; done
store images ls -q
kill $containerd
wait $containerd || true

step "docker import"
tar -C "$root" -cf - . | in_ns "$docker" import - "slipstream-node:$key"
# "docker import" knows no STOPSIGNAL, so that a build of metadata follows
in_ns "$docker" build -q -t "kindest/node:v$KV" - <<DOCKERFILE
FROM slipstream-node:$key
ENTRYPOINT ["/usr/local/bin/entrypoint", "/sbin/init"]
ENV container=docker
STOPSIGNAL SIGRTMIN+3
LABEL slipstream.key=$key
DOCKERFILE
in_ns "$docker" image rm --no-prune "slipstream-node:$key"
step "done"
