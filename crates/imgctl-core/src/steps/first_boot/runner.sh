#!/bin/sh
# Runs the scripts of first-boot.d in the order of their names. What fails is tried again until it succeeds, also after a
# reboot, and what comes after it waits. What has succeeded is removed, and after the last one all that is listed below.
# imgctl put it here. With --once everything has one try, and a failure ends it.

root=
home=$root/usr/lib/imgctl
scripts=$home/first-boot.d
log=$root/var/log/imgctl-first-boot.log
first_delay=10
longest_delay=300

say() {
    echo "$*"
    echo "$(date '+%Y-%m-%dT%H:%M:%S%z') $*" >>"$log"
}

# Finds the first script that is left.
next() {
    for script in "$scripts"/[0-9]*; do
        if [ -f "$script" ]; then
            return 0
        fi
    done
    return 1
}

wait_for_network() {
    if [ -z "$root" ] && [ -d /run/systemd/system ]; then
        systemctl start network-online.target || say "the network is not known to be up"
    fi
}

# Runs one script and removes it, unless it is to be tried again. One with a single try is set aside before it begins, so
# that it has no other after an interruption.
run() {
    name=${1##*/}
    file=$1
    case $name in
        *.network*) wait_for_network ;;
    esac
    case $name in
        *.once)
            file=$scripts/.$name
            mv -f "$1" "$file" || return 1
            ;;
    esac
    say "$name begins"
    size=$(wc -c <"$log")
    "$file" </dev/null >>"$log" 2>&1
    status=$?
    tail -c "+$((size + 1))" "$log"
    if [ "$status" -eq 0 ]; then
        say "$name succeeded"
    else
        say "$name failed with status $status"
        if [ "$file" = "$1" ]; then
            return 1
        fi
    fi
    rm -f "$file"
    sync
    if [ -e "$file" ]; then
        say "$name cannot be removed, so nothing more is run"
        exit 1
    fi
}

finish() {
    say "all scripts are done"
    rm -rf "$scripts"
    rm -f "$root"/usr/lib/systemd/system/multi-user.target.wants/imgctl-first-boot.service
    rm -f "$root"/usr/lib/systemd/system/imgctl-first-boot.service
    rm -f "$root"/etc/rc[0-6].d/[SK][0-9][0-9]imgctl-first-boot
    rm -f "$root"/etc/rc.d/rc[0-6].d/[SK][0-9][0-9]imgctl-first-boot
    rm -f "$root"/etc/runlevels/*/imgctl-first-boot
    rm -f "$root"/etc/init.d/imgctl-first-boot
    rm -f "$home"/first-boot
    rmdir "$home" 2>/dev/null
    sync
}

main() {
    for left in "$scripts"/.[0-9]*; do
        if [ -f "$left" ]; then
            say "${left##*/.} was interrupted, and has no further try"
            rm -f "$left"
        fi
    done
    delay=$first_delay
    while next; do
        if run "$script"; then
            delay=$first_delay
        elif [ "$once" = yes ]; then
            return 1
        else
            say "${script##*/} is tried again in $delay seconds"
            sleep "$delay"
            delay=$((delay * 2))
            if [ "$delay" -gt "$longest_delay" ]; then
                delay=$longest_delay
            fi
        fi
    done
    finish
}

set -u
umask 022
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
HOME=/root
export PATH HOME
cd /
once=no
if [ "${1:-}" = --once ]; then
    once=yes
fi
# Scripts may print what is secret.
(umask 077 && : >>"$log") 2>/dev/null || log=/dev/null
main
exit "$?"
