#!/usr/bin/env bash
# Starts a real Ceph of one disk, with the gateway that speaks S3 and a mounted CephFS, and stops it when its owner has ended.
# Usage: KEY=... SECRET=... ceph_up.sh FOLDER GATEWAY_PORT MONITOR_PORT OWNER
# OWNER is the id of a process. All is within FOLDER, which is removed at the end: `ready` is there when all answers, `mount`
# is the CephFS, and its absence has its reason in `unmounted`. The key and the secret are those of a user named catapult.
set -euo pipefail
folder=$1 gateway_port=$2 monitor_port=$3 owner=$4
key=${KEY:?}
secret=${SECRET:?}
export CEPH_CONF=$folder/ceph.conf

stop() {
  trap - EXIT
  [ ! -d "$folder/mount" ] || umount "$folder/mount" 2>/dev/null || umount --lazy "$folder/mount" 2>/dev/null || true
  daemons=$(cat "$folder"/run/*.pid) || true
  for daemon in $daemons; do kill -KILL "$daemon" 2>/dev/null || true; done
  for daemon in $daemons; do tail --pid="$daemon" --sleep-interval=0.05 -f /dev/null; done
  rm -rf --one-file-system "$folder"
}
trap stop EXIT
trap 'exit 1' INT TERM

key_of() { # key_of NAME CAPABILITY...: makes the key of a daemon
  ceph auth get-or-create "$@" >>"$folder/keyring"
}

mkdir -p "$folder"/{run,log,mon,mgr,osd,rgw,mds}
cluster=$(uuidgen)
cat >"$CEPH_CONF" <<END
[global]
fsid = $cluster
mon host = v1:127.0.0.1:$monitor_port
mon initial members = a
public addr = 127.0.0.1
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon warn on pool no redundancy = false
ms bind msgr2 = false
run dir = $folder/run
admin socket = $folder/run/\$cluster-\$name.asok
pid file = $folder/run/\$name.pid
log file = $folder/log/\$name.log
crash dir = $folder/log
keyring = $folder/keyring
mon data = $folder/mon
mgr data = $folder/mgr
osd data = $folder/osd
mds data = $folder/mds
rgw data = $folder/rgw
osd objectstore = bluestore
osd memory target = 939524096
bluestore block create = true
bluestore block size = 8589934592
bluestore block db create = false
bluestore block wal create = false
bluestore cache autotune = false
bluestore cache size = 67108864
# Gateways tell each other of changes, and wait this long, in seconds, for one that was killed; 30 otherwise.
osd client watch timeout = 4
osd default notify timeout = 4
objecter tick interval = 1
[client.rgw.a]
rgw frontends = beast endpoint=127.0.0.1:$gateway_port tcp_nodelay=1
rgw thread pool size = 32
END

ceph-authtool --create-keyring "$folder/keyring" --gen-key -n mon. --cap mon 'allow *'
ceph-authtool "$folder/keyring" --gen-key -n client.admin --cap mon 'allow *' --cap osd 'allow *' --cap mgr 'allow *' --cap mds 'allow *'
monmaptool --create --fsid "$cluster" --addv a "[v1:127.0.0.1:$monitor_port]" "$folder/monmap"
ceph-mon --mkfs -i a --monmap "$folder/monmap" --keyring "$folder/keyring"
ceph-mon -i a
key_of mgr.a mon 'allow profile mgr' osd 'allow *' mds 'allow *'
ceph-mgr -i a

disk=$(uuidgen)
number=$(ceph osd new "$disk")
key_of "osd.$number" mon 'allow profile osd' mgr 'allow profile osd' osd 'allow *'
ceph-osd -i "$number" --mkfs --osd-uuid "$disk"
ceph-osd -i "$number"
key_of client.rgw.a mon 'allow rw' osd 'allow rwx'
radosgw -n client.rgw.a

mount_cephfs() {
  [ -c /dev/fuse ] || { echo 'there is no /dev/fuse' && return 1; }
  command -v ceph-mds ceph-fuse || { echo 'ceph-mds or ceph-fuse is not installed' && return 1; }
  ceph osd pool create fsmeta 4 && ceph osd pool create fsdata 4 && ceph fs new cephfs fsmeta fsdata || return
  key_of mds.a mon 'allow profile mds' osd 'allow rwx' mds 'allow *' && ceph-mds -i a || return
  for _ in $(seq 100); do
    ! ceph mds stat | grep -q up:active || break
    sleep 0.2
  done
  ceph-fuse -n client.admin "$folder/mount"
}
mkdir "$folder/mount"
mount_cephfs >"$folder/unmounted" 2>&1 || rmdir "$folder/mount"

for _ in $(seq 300); do
  ! (: <"/dev/tcp/127.0.0.1/$gateway_port") 2>/dev/null || break
  sleep 0.2
done
radosgw-admin user create --uid=catapult --display-name=catapult --access-key="$key" --secret-key="$secret" >"$folder/log/user"
touch "$folder/ready"
tail --pid="$owner" --sleep-interval=0.2 -f /dev/null &
wait $!
