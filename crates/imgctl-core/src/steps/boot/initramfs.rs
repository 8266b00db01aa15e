//! `kernel.initramfs`: configuration for the guest's own program that makes an initramfs.
//!
//! Facts: dracut.conf(5), initramfs.conf(5) and initramfs-tools(7), mkinitcpio.conf(5), mkinitfs-bootstrap's features.d.

use crate::boot::entries::texts;
use crate::boot::shell::{self, Quotes};
use crate::guest::Guest;
use crate::steps::each::each;
use crate::steps::flags::{FlagDeed, FlagGroup, FlagSpec, Form, Peer, entry};
use crate::steps::text::{edit, put, with_lines};
use crate::steps::{Outcome, StepFailure, StepSpec, fixed};
use imgctl_recipe::{Initramfs, Plan};
use imgctl_vfs::GuestPath;
use serde_json::json;
use std::collections::BTreeSet;

pub(in crate::steps) const SPEC: StepSpec = StepSpec {
    name: "kernel-initramfs",
    section: "kernel",
    help: "configure what makes the initramfs",
    build: |plan: &Plan| each(SPEC.name, plan.kernel.initramfs.clone(), set),
};

pub(super) const FLAG: FlagSpec = FlagSpec {
    name: "initramfs",
    value: "KEY=VALUE[,KEY=VALUE..]",
    group: FlagGroup::Boot,
    help: "Configure what makes the initramfs: hostonly=false, drivers=a+b, compression=zstd",
    example: "hostonly=false,drivers=virtio_blk+virtio_net",
    recipe: "kernel.initramfs",
    peer: Peer::Ours,
    deed: FlagDeed::Recipe(|text| Ok(json!({ "kernel": { "initramfs": entry(text, KEYS)? } }))),
};

const KEYS: &[(&str, Form)] = &[
    ("hostonly", Form::Boolean),
    ("drivers", Form::List),
    ("compression", Form::Text),
];

type Configure = fn(&mut Guest, &Initramfs) -> Outcome<bool>;

/// A program that makes them: where it is, how it is configured, and how it is run.
const MAKERS: [(&str, &[&str], Configure, &str); 4] = [
    (
        "dracut",
        &["/usr/bin/dracut", "/usr/sbin/dracut", "/sbin/dracut"],
        dracut,
        "dracut --regenerate-all --force",
    ),
    (
        "initramfs-tools",
        &["/usr/sbin/mkinitramfs", "/usr/sbin/update-initramfs"],
        initramfs_tools,
        "update-initramfs -u -k all",
    ),
    ("mkinitcpio", &["/usr/bin/mkinitcpio"], mkinitcpio, "mkinitcpio -P"),
    (
        "mkinitfs",
        &["/sbin/mkinitfs", "/usr/sbin/mkinitfs"],
        mkinitfs,
        "mkinitfs",
    ),
];

fn set(guest: &mut Guest, wanted: &Initramfs) -> Outcome<()> {
    let mut is_known = false;
    for (name, programs, configure, command) in MAKERS {
        let mut is_there = false;
        for program in programs {
            is_there |= guest.exists(&fixed(program))?;
        }
        if !is_there {
            continue;
        }
        is_known = true;
        if configure(guest, wanted)? && super::modules::has_initramfs(guest)? {
            guest.warn(format!(
                "the configuration of {name} counts when the guest makes its initramfs anew: with the next kernel, or by `{command}`"
            ));
        }
    }
    match is_known {
        true => Ok(()),
        false => Err(StepFailure::refused(
            "the guest has no program that makes an initramfs (dracut, initramfs-tools, mkinitcpio, mkinitfs)",
        )),
    }
}

fn dracut(guest: &mut Guest, wanted: &Initramfs) -> Outcome<bool> {
    let mut text = format!("hostonly=\"{}\"\n", if wanted.hostonly { "yes" } else { "no" });
    if !wanted.drivers.is_empty() {
        // Blanks at both ends: dracut joins the files' values.
        text.push_str(&format!("add_drivers+=\" {} \"\n", wanted.drivers.join(" ")));
    }
    if let Some(compression) = &wanted.compression {
        let name = if compression == "none" { "cat" } else { compression };
        text.push_str(&format!("compress=\"{name}\"\n"));
    }
    put(guest, &fixed("/etc/dracut.conf.d/90-imgctl.conf"), &text, 0o644)
}

fn initramfs_tools(guest: &mut Guest, wanted: &Initramfs) -> Outcome<bool> {
    let mut text = format!("MODULES={}\n", if wanted.hostonly { "dep" } else { "most" });
    match wanted.compression.as_deref() {
        Some("none") => {
            return Err(StepFailure::refused(
                "initramfs-tools makes no initramfs that is not compressed",
            ));
        }
        Some("lzo") => text.push_str("COMPRESS=lzop\n"),
        Some(name) => text.push_str(&format!("COMPRESS={name}\n")),
        None => {}
    }
    let is_new = put(guest, &fixed("/etc/initramfs-tools/conf.d/imgctl"), &text, 0o644)?;
    let modules = fixed("/etc/initramfs-tools/modules");
    let drivers = wanted.drivers.iter().map(String::as_str);
    Ok(edit(guest, &modules, |text| Ok(Some(with_lines(text, drivers))))? | is_new)
}

fn mkinitcpio(guest: &mut Guest, wanted: &Initramfs) -> Outcome<bool> {
    let mut text = String::new();
    if !wanted.drivers.is_empty() {
        text.push_str(&format!("MODULES+=({})\n", wanted.drivers.join(" ")));
    }
    if let Some(compression) = &wanted.compression {
        let name = match compression.as_str() {
            "none" => "cat",
            "lzo" => "lzop",
            name => name,
        };
        text.push_str(&format!("COMPRESSION=\"{name}\"\n"));
    }
    if !wanted.hostonly {
        // The hook leaves out what the machine that builds it does not have.
        text.push_str(
            "imgctl_hooks=()\nfor imgctl_hook in \"${HOOKS[@]}\"; do\n  \
             [[ $imgctl_hook == autodetect ]] || imgctl_hooks+=(\"$imgctl_hook\")\ndone\nHOOKS=(\"${imgctl_hooks[@]}\")\n",
        );
    }
    put(guest, &fixed("/etc/mkinitcpio.conf.d/90-imgctl.conf"), &text, 0o644)
}

/// Alpine's is told paths of modules, which the guest's kernels have, and names of such lists.
fn mkinitfs(guest: &mut Guest, wanted: &Initramfs) -> Outcome<bool> {
    if wanted.compression.is_some() {
        return Err(StepFailure::refused(
            "mkinitfs takes its compression on the command line only",
        ));
    }
    if wanted.drivers.is_empty() {
        return Ok(false);
    }
    let paths = module_paths(guest, &wanted.drivers)?;
    let list = GuestPath::new("/etc/mkinitfs/features.d/imgctl.modules")?;
    let is_new = edit(guest, &list, |text| {
        Ok(Some(with_lines(text, paths.iter().map(String::as_str))))
    })?;
    let configuration = fixed("/etc/mkinitfs/mkinitfs.conf");
    let has_feature = edit(guest, &configuration, |text| {
        let mut assignments = shell::assignments(text).into_iter();
        let Some(last) = assignments.rfind(|assignment| assignment.name == "features") else {
            return Ok(Some(with_lines(text, ["features=\"base imgctl\""])));
        };
        let is_there = last.value.split_whitespace().any(|word| word == "imgctl");
        Ok((!is_there).then(|| {
            let value = shell::encoded(&format!("{} imgctl", last.value), Quotes::Double);
            let mut new = text.to_owned();
            new.replace_range(last.place, &value);
            new
        }))
    })?;
    Ok(is_new | has_feature)
}

fn module_paths(guest: &Guest, drivers: &[String]) -> Outcome<BTreeSet<String>> {
    let mut paths = BTreeSet::new();
    for (_, text) in texts(guest, &["/lib/modules/*/modules.dep"])? {
        for path in text.lines().filter_map(|line| line.split(':').next()) {
            let Some((stem, _)) = path.split_once(".ko") else {
                continue;
            };
            let name = stem.rsplit('/').next().unwrap_or_default().replace('-', "_");
            if drivers.iter().any(|driver| driver.replace('-', "_") == name) {
                paths.insert(format!("{stem}.ko*"));
            }
        }
    }
    match paths.is_empty() {
        true => Err(StepFailure::refused("no kernel of the guest has these modules")),
        false => Ok(paths),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{guest, listing, text};

    fn wanted(compression: Option<&str>) -> Initramfs {
        Initramfs {
            hostonly: false,
            drivers: vec!["virtio_blk".to_owned(), "virtio-net".to_owned()],
            compression: compression.map(str::to_owned),
        }
    }

    #[test]
    fn every_maker_is_configured() {
        let mut guest = guest(&[
            "/usr/bin/dracut|",
            "/usr/sbin/mkinitramfs|",
            "/usr/bin/mkinitcpio|",
            "/etc/initramfs-tools/modules|# list\nvirtio_blk\n",
            "/boot/initrd.img-6.1|",
        ]);
        set(&mut guest, &wanted(Some("zstd"))).unwrap();
        assert_eq!(
            text(&guest, "/etc/dracut.conf.d/90-imgctl.conf"),
            "hostonly=\"no\"\nadd_drivers+=\" virtio_blk virtio-net \"\ncompress=\"zstd\"\n"
        );
        assert_eq!(
            text(&guest, "/etc/initramfs-tools/conf.d/imgctl"),
            "MODULES=most\nCOMPRESS=zstd\n"
        );
        assert_eq!(
            text(&guest, "/etc/initramfs-tools/modules"),
            "# list\nvirtio_blk\nvirtio-net\n"
        );
        assert!(
            text(&guest, "/etc/mkinitcpio.conf.d/90-imgctl.conf").starts_with("MODULES+=(virtio_blk virtio-net)\n")
        );
        assert_eq!(guest.warnings().len(), 3);
        let before = listing(guest.tree());
        set(&mut guest, &wanted(Some("zstd"))).unwrap();
        assert_eq!(listing(guest.tree()), before);
        assert!(set(&mut guest, &wanted(Some("none"))).is_err());
    }

    #[test]
    fn alpine_is_told_paths() {
        let mut guest = guest(&[
            "/sbin/mkinitfs|",
            "/etc/mkinitfs/mkinitfs.conf|features=\"ata base ext4\"\n",
            "/lib/modules/6.6-virt/modules.dep|kernel/drivers/block/virtio_blk.ko.gz:\nkernel/drivers/net/virtio_net.ko.gz: x\n",
        ]);
        for _ in 0..2 {
            set(&mut guest, &wanted(None)).unwrap();
            assert_eq!(
                text(&guest, "/etc/mkinitfs/mkinitfs.conf"),
                "features=\"ata base ext4 imgctl\"\n"
            );
            assert_eq!(
                text(&guest, "/etc/mkinitfs/features.d/imgctl.modules"),
                "kernel/drivers/block/virtio_blk.ko*\nkernel/drivers/net/virtio_net.ko*\n"
            );
        }
        let mut bare = crate::testing::guest(&["/etc/"]);
        assert!(set(&mut bare, &wanted(None)).is_err());
    }
}
