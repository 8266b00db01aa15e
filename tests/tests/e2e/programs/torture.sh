#!/bin/sh
# Everything that programs do to files, on a Debian guest.
set -e
# Users, groups, owners far from each other.
groupadd -g 70000 far
useradd -m -u 60001 -G far,sudo -s /bin/bash worker
usermod -aG far root
passwd -l worker
mkdir -p /srv/torture
cd /srv/torture
for id in 1 99 1000 65534 70000 100000; do
    echo "$id" > "owned-$id"
    chown "$id:$id" "owned-$id"
done
# Rights, capabilities, lists.
for mode in 4755 2755 1777 0000 6711; do
    echo "$mode" > "mode-$mode"
    chmod "$mode" "mode-$mode"
done
cp /bin/ping capable 2>/dev/null || cp /bin/true capable
setcap cap_net_raw,cap_net_bind_service+ep capable
setfacl -m u:worker:rwx,g:far:r owned-99
mkdir acl
setfacl -d -m u:60001:rx acl
setfattr -n user.note -v "something" owned-1
# Kinds.
mkfifo fifo
ln -s /etc/passwd absolute
ln -s ../../nowhere dangling
python3 -c "import socket; socket.socket(socket.AF_UNIX).bind('socket')"
# Several names, of new and of old files, through changes.
echo hard > hard-1
ln hard-1 hard-2
mkdir deep
ln hard-2 deep/hard-3
ln /etc/hostname hostname-link
echo appended >> /etc/issue
# Old files: content, rights, owner, name.
chmod 600 /etc/motd
chown worker:far /etc/debian_version
mv /etc/issue.net /etc/issue.moved
sed -i 's/^/# /' /etc/fstab
truncate -s 5 /etc/shells
# Folders of the image: moved, emptied, removed and made anew, of another kind.
mv /etc/cron.weekly /etc/cron.moved
rm -r /usr/share/doc/bash
mkdir /usr/share/doc/bash
echo new > /usr/share/doc/bash/README
rm -r /usr/share/doc/dash
echo "a file" > /usr/share/doc/dash
rm -r /usr/share/doc/tar
ln -s bash /usr/share/doc/tar
rm /etc/cron.monthly/.placeholder
rmdir /etc/cron.monthly
mkdir -m 1770 /etc/cron.monthly
touch -d '2003-04-05 06:07:08' old
# Many, large, sparse, and oddly named.
mkdir many
python3 - <<'P'
for number in range(2000):
    with open(f"many/{number:05}", "w") as file:
        file.write(f"{number}\n" * (number % 50))
P
dd if=/dev/zero bs=1M count=32 2>/dev/null | tr '\0' 'x' > large
truncate -s 16M sparse
printf x > "$(printf 'new\nline')"
printf x > "$(printf 'not-utf8-\377')"
printf x > "$(printf '%0250d' 0)"
# The system's own.
ldconfig
echo 'de_DE.UTF-8 UTF-8' >> /etc/locale.gen
update-alternatives --install /usr/bin/torture torture /bin/true 10
update-initramfs -u 2>/dev/null
dpkg-reconfigure -f noninteractive tzdata 2>/dev/null
