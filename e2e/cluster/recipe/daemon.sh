#!/usr/bin/env bash
# daemon.sh start SMALL | stop: a Docker daemon in a network namespace without an uplink; must not end a process but its own two.
# Environment: NETNS, RUN (sockets, pid files), DAEMON (data), as in lib.sh.
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin
BRIDGE=10.98.0.1

# alive PIDFILE NAME: prints the pid if that process still is the program NAME
alive() {
  local pid
  pid=$(cat "$1" 2>/dev/null) || return 1
  [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "$2" ] && echo "$pid"
}
stop_one() { # PIDFILE NAME
  local pid
  if pid=$(alive "$1" "$2"); then
    kill "$pid"
    for _ in $(seq 150); do
      [ -d "/proc/$pid" ] || break
      sleep 0.2
    done
    if [ -d "/proc/$pid" ]; then
      echo "$2 (process $pid) does not end"
      exit 1
    fi
  fi
  rm -f "$1"
}
in_ns() { nsenter --net="/run/netns/$NETNS" "$@"; }
answers() { in_ns env DOCKER_HOST="unix://$RUN/docker.sock" "$client" version >/dev/null 2>&1; }
wait_for() { # TENTHS COMMAND...
  local n=$1
  shift
  for _ in $(seq "$n"); do
    if "$@" >/dev/null 2>&1; then return; fi
    sleep 0.1
  done
  return 1
}

client=/usr/bin/docker
[ -x $client ] || client=$(command -v docker)
case ${1:-} in
start)
  small=$2
  mkdir -p "$RUN" "$DAEMON"
  if ! in_ns true 2>/dev/null; then
    rm -f "/run/netns/$NETNS"
    ip netns add "$NETNS"
  fi
  ip -n "$NETNS" link set lo up
  alive "$RUN/docker.pid" dockerd >/dev/null || rm -f "$RUN/docker.pid"
  if ! answers; then
    # the daemon looks for runc-have at this path for as long as it has containers, so it gets a copy that no rebuild removes
    install -D -m 0755 "$small/runc-have" "$DAEMON/bin/runc-have"
    install -D -m 0755 "$small/nxdomain" "$DAEMON/bin/nxdomain"
    # --oom-score-adjust 0 and runc-have: machines that may not lower a score, or lack a capability, can run it too
    setsid nsenter --net="/run/netns/$NETNS" dockerd --data-root "$DAEMON/data" --exec-root "$RUN/exec" --pidfile "$RUN/docker.pid" \
      --host "unix://$RUN/docker.sock" --group root --oom-score-adjust 0 --storage-driver overlay2 --default-cgroupns-mode private \
      --add-runtime have="$DAEMON/bin/runc-have" --default-runtime have \
      --bip $BRIDGE/24 --dns $BRIDGE --default-address-pool base=10.99.0.0/16,size=24 >"$DAEMON/log" 2>&1 </dev/null &
    if ! wait_for 600 answers; then
      tail -n 20 "$DAEMON/log"
      exit 1
    fi
  fi
  if ! alive "$RUN/dns.pid" nxdomain >/dev/null; then
    setsid nsenter --net="/run/netns/$NETNS" "$DAEMON/bin/nxdomain" $BRIDGE:53 >"$DAEMON/dns.log" 2>&1 </dev/null &
    echo $! >"$RUN/dns.pid" # nsenter becomes the program, so the pid stays
  fi
  wait_for 50 alive "$RUN/dns.pid" nxdomain || {
    cat "$DAEMON/dns.log"
    exit 1
  }
  ;;
stop)
  stop_one "$RUN/dns.pid" nxdomain
  stop_one "$RUN/docker.pid" dockerd
  if in_ns true 2>/dev/null; then ip netns del "$NETNS"; fi
  rm -rf "$RUN"
  ;;
*) exit 2 ;;
esac
