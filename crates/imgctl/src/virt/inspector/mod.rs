//! virt-inspector: what operating system is in a disk image, as XML.

mod applications;
mod icon;
mod os;
mod release;
mod xml;

use super::Tool;
use super::disks::DiskArgs;
use super::getopt::Getopt;
use super::mounts::{MountArgs, Opened, device_name};
use crate::command_error::{CommandError, CommandResult};
use crate::ui::Ui;
use clap::{ArgMatches, Args, FromArgMatches as _};
use imgctl_core::guest::{Fstab, FstabSpec};
use imgctl_core::{DiskRecord, Place, VolumeRecord};
use imgctl_vfs::GuestPath;
use os::OperatingSystem;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, Write};
use xml::Xml;

pub(super) const TOOL: Tool = Tool {
    name: "virt-inspector",
    getopt: Getopt::Long,
    arguments: InspectorArgs::augment_args,
    run,
};

/// Tell which operating system is in a disk image, as XML
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  virt-inspector -a disk.qcow2 > disk.xml
  virt-inspector -a disk.qcow2 --no-applications | xmllint --xpath 'string(//distro)' -")]
struct InspectorArgs {
    #[command(flatten)]
    disks: DiskArgs,
    /// Leave out the installed packages
    #[arg(long)]
    no_applications: bool,
    /// Leave out the distribution's icon
    #[arg(long)]
    no_icon: bool,
    /// Refused: xmllint does it
    #[arg(long, value_name = "QUERY", hide = true)]
    xpath: Option<String>,
    #[arg(value_name = "DISK", hide = true)]
    words: Vec<OsString>,
}

fn run(ui: &Ui, matches: &ArgMatches) -> CommandResult {
    let mut args = InspectorArgs::from_arg_matches(matches).map_err(|error| super::usage(&error))?;
    if args.xpath.is_some() {
        return Err(CommandError::usage("--xpath is not supported")
            .hint("xmllint --xpath QUERY - does the same (Debian: apt-get install libxml2-utils)"));
    }
    let disks = std::mem::take(&mut args.disks).or_first_of(&mut args.words, 0)?;
    super::no_words(&args.words)?;
    let records = disks.open()?.records();
    let opened = Opened::open(&disks, &MountArgs::default())?;
    let found =
        Guest::new(&opened, &records).map_err(|source| CommandError::guest("cannot inspect the guest", source))?;
    let applications = match args.no_applications {
        true => None,
        false => Some(applications::read(opened.tree())?),
    };
    let icon = match args.no_icon {
        true => None,
        false => icon::find(opened.tree(), &found.os),
    };
    let mut out = ui.data();
    write(&mut out, &found, applications.as_deref(), icon.as_deref())
        .and_then(|()| out.flush())
        .map_err(CommandError::stdout)
}

/// What is told of a guest besides its packages.
#[derive(Debug)]
struct Guest<'r> {
    os: OperatingSystem,
    root: Place,
    mountpoints: Vec<(GuestPath, Place)>,
    /// What is mounted, and swap, by the names of devices.
    filesystems: BTreeMap<String, &'r VolumeRecord>,
}

impl<'r> Guest<'r> {
    fn new(opened: &Opened, records: &'r [DiskRecord]) -> imgctl_vfs::Result<Self> {
        let tree = opened.tree();
        let mut mountpoints: Vec<(GuestPath, Place)> = tree
            .mounts()
            .filter_map(|(_, mount)| Some((mount.path.clone(), opened.place_of(&mount.path)?)))
            .collect();
        mountpoints.sort_by(|(one, _), (other, _)| {
            let key = |path: &GuestPath| (path.as_bytes().len(), path.clone());
            key(one).cmp(&key(other))
        });
        let volumes = || records.iter().flat_map(|disk| &disk.volumes);
        let is_mounted = |volume: &VolumeRecord| mountpoints.iter().any(|(_, place)| *place == volume.place);
        let fstab = Fstab::read(tree)?;
        let swap = fstab.entries.iter().filter(|entry| entry.fs_type == "swap");
        let swap: Vec<&FstabSpec> = swap.map(|entry| &entry.spec).collect();
        let is_swap = |volume: &VolumeRecord| swap.iter().any(|spec| names(spec, volume));
        let filesystems = volumes().filter(|volume| is_mounted(volume) || is_swap(volume));
        Ok(Self {
            os: OperatingSystem::read(tree)?,
            root: opened
                .place_of(&GuestPath::root())
                .unwrap_or(Place { disk: 0, partition: 0 }),
            filesystems: filesystems.map(|volume| (device_name(volume.place), volume)).collect(),
            mountpoints,
        })
    }
}

/// Whether an fstab's first field means this volume.
fn names(spec: &FstabSpec, volume: &VolumeRecord) -> bool {
    match spec {
        FstabSpec::Uuid(uuid) => volume
            .uuid
            .as_ref()
            .is_some_and(|found| found.eq_ignore_ascii_case(uuid)),
        FstabSpec::Label(label) => volume.label.as_ref() == Some(label),
        FstabSpec::Device(path) => super::mounts::place_of(&String::from_utf8_lossy(path)) == Some(volume.place),
        _ => false,
    }
}

fn write(
    out: &mut impl Write,
    guest: &Guest<'_>,
    applications: Option<&[applications::Application]>,
    icon: Option<&[u8]>,
) -> io::Result<()> {
    let mut xml = Xml::new(out)?;
    xml.open("operatingsystems")?;
    xml.open("operatingsystem")?;
    xml.element("root", &device_name(guest.root))?;
    guest.os.write(&mut xml)?;
    xml.list("mountpoints", &guest.mountpoints, |xml, (path, place)| {
        let path = String::from_utf8_lossy(path.as_bytes());
        xml.element_with("mountpoint", ("dev", &device_name(*place)), &path)
    })?;
    xml.list("filesystems", &guest.filesystems, |xml, (device, volume)| {
        xml.open_with("filesystem", ("dev", device))?;
        let label = volume.label.as_deref().map(String::from_utf8_lossy);
        xml.optional("type", volume.content)?;
        xml.optional("label", label.as_deref())?;
        xml.optional("uuid", volume.uuid.as_deref())?;
        xml.close()
    })?;
    if let Some(applications) = applications {
        xml.list("applications", applications, |xml, application| application.write(xml))?;
    }
    if let Some(icon) = icon {
        xml.raw_element("icon", &icon::base64(icon))?;
    }
    xml.close()?;
    xml.close()
}
