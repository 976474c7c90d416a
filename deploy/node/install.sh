#!/bin/sh
# Install or update node-helper on this node, or with `remove` take it away. Safe to run again; see README.md beside this file.
# Without --changes the node can only be looked at, also where it could be changed before.
# DESTDIR installs the files below another root and changes nothing else.
set -eu

usage="usage: install.sh PUBLIC_KEY_FILE [--changes ALLOWED_SIGNERS_FILE --cluster NAME --node NAME] | remove"
folder=/usr/local/lib/netcheck
state=/var/lib/netcheck-changes
user=netcheck
source=$(cd "$(dirname "$0")/../.." && pwd)
root=${DESTDIR:-}

fail() {
    echo "install.sh: $1" >&2
    exit 1
}

find_python() {
    for name in python3 python3.14 python3.13 python3.12 python3.11 python3.10 python3.9; do
        path=$(command -v "$name") || continue
        if "$path" -I -c 'import sys; sys.exit(sys.version_info < (3, 9))' 2>/dev/null; then
            echo "$path"
            return
        fi
    done
    fail "this node has no Python 3.9 or newer"
}

put_helper() {
    new=$root$folder.new
    rm -rf "$new"
    mkdir -p "$new"
    cp -R "$source/node_helper" "$new/node_helper"
    find "$new" -name __pycache__ -prune -exec rm -rf {} +
    cat >"$new/node-helper" <<END
#!$python -ISB
import sys

sys.path.insert(0, "$folder")
from node_helper.__main__ import main

sys.exit(main(sys.argv[1:]))
END
    "$python" -ISB -c 'import sys; sys.path.insert(0, sys.argv.pop()); from node_helper.__main__ import main; sys.exit(main(["schemas"]))' \
        "$new" >"$new/schemas.json"
    mv "$new/schemas.json" "$new/node_helper/schemas.json"
    "$python" -ISm compileall -q --invalidation-mode unchecked-hash "$new/node_helper"
    chmod -R u=rwX,go=rX "$new"
    chmod 755 "$new/node-helper"
    [ -n "$root" ] || chown -R 0:0 "$new"
    rm -rf "$root$folder.old"
    [ ! -e "$root$folder" ] || mv "$root$folder" "$root$folder.old"
    mv "$new" "$root$folder"
    rm -rf "$root$folder.old"
}

put_lock() {
    mkdir -p "$root/etc/tmpfiles.d" "$root/run/netcheck"
    echo "d /run/netcheck 0700 root root -" >"$root/etc/tmpfiles.d/netcheck.conf"
    chmod 700 "$root/run/netcheck"
}

put_sudoers() {
    mkdir -p "$root/etc/sudoers.d"
    echo "$user ALL=(root) NOPASSWD: $folder/node-helper serve" >"$root/etc/sudoers.d/netcheck.new"
    chmod 440 "$root/etc/sudoers.d/netcheck.new"
    mv "$root/etc/sudoers.d/netcheck.new" "$root/etc/sudoers.d/netcheck"
}

put_key() {
    home=$root/var/lib/$user
    if [ -z "$root" ] && ! id "$user" >/dev/null 2>&1; then
        useradd --system --home-dir "/var/lib/$user" --shell /bin/sh "$user"
    fi
    [ ! -L "$home" ] || fail "$home is a link"
    mkdir -p "$home"
    [ -n "$root" ] || chown 0:0 "$home" # a user who was there before may have had it, and links in it
    rm -rf "$home/.ssh"
    mkdir "$home/.ssh"
    echo "restrict,command=\"sudo -n $folder/node-helper serve\" $key" >"$home/.ssh/authorized_keys"
    chmod 755 "$home" "$home/.ssh"
    chmod 644 "$home/.ssh/authorized_keys" # root's: the user cannot lift the restriction
}

check_changes() {
    [ -n "$signers$cluster$node" ] || return 0
    [ -n "$signers" ] && [ -n "$cluster" ] && [ -n "$node" ] || fail "--changes, --cluster and --node belong together"
    for name in "$cluster" "$node"; do
        case $name in
        [!A-Za-z0-9]* | *[!A-Za-z0-9._:/@-]*) fail "$name is not a name of a cluster or node" ;;
        esac
    done
    [ -n "$root" ] || [ -x /usr/bin/ssh-keygen ] || fail "this node has no /usr/bin/ssh-keygen, which verifies approvals"
    grep -q '^approver@netcheck ' "$signers" || fail "$signers names no key of approver@netcheck"
}

put_changes() {
    rm -f "$root/etc/netcheck/node.json" "$root/etc/netcheck/allowed_signers"
    rmdir "$root/etc/netcheck" 2>/dev/null || true
    [ -n "$signers" ] || return 0
    mkdir -p "$root/etc/netcheck" "$root$state"
    chmod 755 "$root/etc/netcheck"
    chmod 700 "$root$state"
    cp "$signers" "$root/etc/netcheck/allowed_signers"
    printf '{"cluster": "%s", "node": "%s"}\n' "$cluster" "$node" >"$root/etc/netcheck/node.json"
    chmod 644 "$root/etc/netcheck/allowed_signers" "$root/etc/netcheck/node.json"
    [ -n "$root" ] || chown -R 0:0 /etc/netcheck/allowed_signers /etc/netcheck/node.json "$state"
}

# What is to be put back at its time still is: it has its own copy of the code.
remove_changes() {
    signers=
    put_changes
    for armed in "$root$state"/undo-*; do
        if [ -e "$armed" ]; then
            echo "install.sh: a change that was made for a time will still be put back; remove $state after that" >&2
            return
        fi
    done
    rm -rf "$root$state"
}

remove() {
    remove_changes
    rm -rf "$root$folder" "$root/etc/sudoers.d/netcheck" "$root/etc/tmpfiles.d/netcheck.conf" "$root/run/netcheck" "$root/var/lib/$user"
    if [ -z "$root" ] && id "$user" >/dev/null 2>&1; then
        userdel "$user"
    fi
}

[ -n "$root" ] || [ "$(id -u)" = 0 ] || fail "run this as root"
if [ "${1:-}" = remove ]; then
    remove
    exit
fi
key=$(cat "${1:?$usage}")
case $key in
ssh-* | ecdsa-* | sk-*) ;;
*) fail "$1 is not an SSH public key" ;;
esac
[ "$(printf '%s\n' "$key" | wc -l)" = 1 ] || fail "$1 holds more than one line"
shift
signers='' cluster='' node=''
while [ $# -gt 0 ]; do
    [ $# -gt 1 ] || fail "$usage"
    case $1 in
    --changes) signers=$2 ;;
    --cluster) cluster=$2 ;;
    --node) node=$2 ;;
    *) fail "$usage" ;;
    esac
    shift 2
done
check_changes
python=$(find_python)
put_helper
put_lock
put_sudoers
put_key
put_changes
may="can only be looked at"
[ -z "$signers" ] || may="can be changed by what approver@netcheck signs for $node of $cluster"
echo "node-helper is installed; the worker connects as $user; this node $may"
