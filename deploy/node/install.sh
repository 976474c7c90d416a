#!/bin/sh
# Install or update node-helper on this node, or with `remove` take it away. Safe to run again; see README.md beside this file.
# DESTDIR installs the files below another root and changes nothing else.
set -eu

folder=/usr/local/lib/netcheck
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
    mkdir -p "$home/.ssh"
    echo "restrict,command=\"sudo -n $folder/node-helper serve\" $key" >"$home/.ssh/authorized_keys"
    chmod 755 "$home" "$home/.ssh"
    chmod 644 "$home/.ssh/authorized_keys" # root's: the user cannot lift the restriction
}

remove() {
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
key=$(cat "${1:?usage: install.sh PUBLIC_KEY_FILE | remove}")
case $key in
ssh-* | ecdsa-* | sk-*) ;;
*) fail "$1 is not an SSH public key" ;;
esac
[ "$(printf '%s\n' "$key" | wc -l)" = 1 ] || fail "$1 holds more than one line"
python=$(find_python)
put_helper
put_lock
put_sudoers
put_key
echo "node-helper is installed; the worker connects as $user"
