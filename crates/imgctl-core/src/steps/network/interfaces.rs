//! `network`: interfaces, for what the guest configures them with.

use super::{dns, render};
use crate::guest::Guest;
use crate::steps::each::each;
use crate::steps::flags::{FlagArgument, FlagDeed, FlagError, FlagGroup, FlagSpec, Form, Peer, named_entry};
use crate::steps::text::{edit, put, read, with_lines};
use crate::steps::{Outcome, Step, StepFailure, StepSpec, fixed};
use imgctl_recipe::{Document, Interface, InterfaceMatch, Network, Plan, Renderer};
use imgctl_vfs::GuestPath;
use serde_json::{Value, json};
use std::sync::Arc;

pub(in crate::steps) const SPEC: StepSpec = StepSpec {
    name: "network",
    section: "network",
    help: "configure network interfaces and name servers",
    build: |plan: &Plan| each(SPEC.name, plan.network.clone(), set),
};

pub(super) const NETPLAN: FlagSpec = FlagSpec {
    name: "netplan",
    value: "FILE",
    group: FlagGroup::Network,
    help: "Configure the network by a local file for netplan, as /etc/netplan/90-imgctl.yaml",
    example: "netplan.yaml",
    recipe: "network.netplan",
    peer: Peer::Ours,
    deed: FlagDeed::Step(netplan_flag),
};

pub(super) const INTERFACE: FlagSpec = FlagSpec {
    name: "interface",
    value: "NAME[:KEY=VALUE,...]",
    group: FlagGroup::Network,
    help: "Configure an interface, or all whose names a glob matches, with keys of network.interfaces[]",
    example: "en*:dhcp4",
    recipe: "network.interfaces",
    peer: Peer::Ours,
    deed: FlagDeed::Recipe(interface_flag),
};

const INTERFACE_KEYS: &[(&str, Form)] = &[
    ("dhcp4", Form::Boolean),
    ("dhcp6", Form::Boolean),
    ("addresses", Form::List),
    ("gateways", Form::List),
    ("nameservers", Form::List),
    ("search", Form::List),
    ("mtu", Form::Number),
    ("optional", Form::Boolean),
];

fn interface_flag(text: &str) -> Result<Value, FlagError> {
    let mut interface = named_entry(text, INTERFACE_KEYS)?;
    if let Some(name) = interface.remove("name") {
        let is_glob = name.as_str().is_some_and(|name| name.contains(['*', '?', '[']));
        interface.insert(if is_glob { "match" } else { "name" }.to_owned(), name);
    }
    Ok(json!({ "network": { "interfaces": [interface] } }))
}

const MAX_FILE_BYTES: usize = 1 << 20;
const NETPLAN_FILE: &str = "/etc/netplan/90-imgctl.yaml";
const NETPLAN_PROGRAMS: [&str; 3] = [
    "/usr/sbin/netplan",
    "/usr/libexec/netplan/generate",
    "/lib/netplan/generate",
];
const MANAGER: [&str; 2] = ["/usr/sbin/NetworkManager", "/usr/bin/NetworkManager"];
const NETWORKD: [&str; 2] = ["/usr/lib/systemd/systemd-networkd", "/lib/systemd/systemd-networkd"];
const IFUPDOWN: [&str; 2] = ["/sbin/ifup", "/usr/sbin/ifup"];
const INTERFACES: &str = "/etc/network/interfaces";

fn netplan_flag(argument: &FlagArgument<'_>) -> Result<Arc<dyn Step>, FlagError> {
    let text = argument.host_text(argument.text, MAX_FILE_BYTES)?;
    let document = Document { text, sensitive: true };
    Ok(argument.step(document, |document, guest| netplan(guest, document)))
}

fn set(guest: &mut Guest, network: &Network) -> Outcome<()> {
    if let Some(document) = &network.netplan {
        netplan(guest, document)?;
    }
    if !network.interfaces.is_empty() {
        interfaces(guest, network)?;
    }
    dns::set(guest, &network.name_servers, &network.search)?;
    if network.netplan.is_some() || !network.interfaces.is_empty() {
        warn_of_cloud_init(guest)?;
    }
    Ok(())
}

fn netplan(guest: &mut Guest, document: &Document) -> Outcome<()> {
    let path = fixed(NETPLAN_FILE);
    put(guest, &path, &document.text, 0o600)?;
    if document.sensitive {
        guest.hide(&path)?;
    }
    if !has_any(guest, &NETPLAN_PROGRAMS)? {
        guest.warn("the guest has no netplan, which its configuration is for");
    }
    Ok(())
}

fn interfaces(guest: &mut Guest, network: &Network) -> Outcome<()> {
    let renderer = match network.renderer {
        Some(renderer) => renderer,
        None => renderer_of(guest)?,
    };
    if renderer == Renderer::Netplan {
        let text = render::netplan(&network.interfaces);
        put(guest, &fixed(NETPLAN_FILE), &text, 0o600)?;
    }
    for interface in &network.interfaces {
        let name = render::identifier(interface);
        match renderer {
            Renderer::Netplan => {}
            Renderer::NetworkManager => {
                let path = format!("/etc/NetworkManager/system-connections/imgctl-{name}.nmconnection");
                put(guest, &GuestPath::new(path)?, &render::keyfile(interface), 0o600)?;
            }
            Renderer::Networkd => {
                let path = format!("/etc/systemd/network/10-imgctl-{name}.network");
                put(guest, &GuestPath::new(path)?, &render::networkd(interface), 0o644)?;
            }
            Renderer::Ifupdown => ifupdown(guest, interface, &name)?,
        }
    }
    if renderer == Renderer::Networkd && !is_networkd_enabled(guest)? {
        guest.warn("systemd-networkd is not enabled, so nothing reads its configuration; add it to `services.enable`");
    }
    Ok(())
}

fn ifupdown(guest: &mut Guest, interface: &Interface, name: &str) -> Outcome<()> {
    let Some(text) = render::ifupdown(interface) else {
        return Err(StepFailure::refused_with(
            "ifupdown configures interfaces by their names only",
            "write `name` in the place of `match` and `mac`",
        ));
    };
    put(
        guest,
        &GuestPath::new(format!("{INTERFACES}.d/imgctl-{name}"))?,
        &text,
        0o644,
    )?;
    edit(guest, &fixed(INTERFACES), |text| {
        let is_read = |line: &str| line.trim_start().starts_with("source") && line.contains("interfaces.d");
        if text.lines().any(is_read) {
            return Ok(None);
        }
        let loopback = match text.lines().any(|line| line.contains("iface lo ")) {
            true => &[][..],
            false => &["auto lo", "iface lo inet loopback"][..],
        };
        let lines = loopback.iter().copied().chain(["source /etc/network/interfaces.d/*"]);
        Ok(Some(with_lines(text, lines)))
    })?;
    if let InterfaceMatch::Name(name) = &interface.matched {
        let text = read(guest, &fixed(INTERFACES))?.unwrap_or_default();
        if text
            .lines()
            .any(|line| line.trim_start().starts_with(&format!("iface {name} ")))
        {
            guest.warn(format!("{INTERFACES} configures {name}, too"));
        }
    }
    Ok(())
}

/// What the guest configures interfaces with.
fn renderer_of(guest: &Guest) -> Outcome<Renderer> {
    Ok(if has_any(guest, &NETPLAN_PROGRAMS)? {
        Renderer::Netplan
    } else if has_any(guest, &MANAGER)? {
        Renderer::NetworkManager
    } else if is_networkd_enabled(guest)? {
        Renderer::Networkd
    } else if has_any(guest, &IFUPDOWN)? {
        Renderer::Ifupdown
    } else if has_any(guest, &NETWORKD)? {
        Renderer::Networkd
    } else {
        return Err(StepFailure::refused_with(
            "the guest has nothing that configures interfaces (netplan, NetworkManager, systemd-networkd, ifupdown)",
            "name a `renderer` if it comes later",
        ));
    })
}

/// Whether something pulls it in at boot.
fn is_networkd_enabled(guest: &Guest) -> Outcome<bool> {
    let links = [
        "/etc/systemd/system/*.wants/systemd-networkd.s*",
        "/usr/lib/systemd/system/*.wants/systemd-networkd.s*",
    ];
    for pattern in links {
        if !guest.glob(pattern)?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

pub(super) fn has_any(guest: &Guest, programs: &[&'static str]) -> Outcome<bool> {
    for program in programs {
        if guest.exists(&fixed(program))? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// At its first boot cloud-init writes a configuration of its own, by default DHCP on every interface.
fn warn_of_cloud_init(guest: &mut Guest) -> Outcome<()> {
    if super::cloud_init::configures_network(guest)? {
        guest.warn(
            "cloud-init configures the network, too, at the first boot; `cloud_init: { network: false }` keeps it from that",
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{edited, guest, listing, mode, text};

    fn interface(matched: InterfaceMatch) -> Interface {
        Interface {
            matched,
            dhcp4: true,
            dhcp6: false,
            addresses: Vec::new(),
            gateways: Vec::new(),
            name_servers: Vec::new(),
            search: Vec::new(),
            mtu: None,
            optional: false,
        }
    }

    fn network() -> Network {
        Network {
            interfaces: vec![
                interface(InterfaceMatch::Glob("en*".to_owned())),
                Interface {
                    dhcp4: false,
                    addresses: vec![
                        ("192.0.2.10".parse().unwrap(), 24),
                        ("2001:db8::10".parse().unwrap(), 64),
                    ],
                    gateways: vec!["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()],
                    name_servers: vec!["192.0.2.53".parse().unwrap()],
                    search: vec!["lan.example".to_owned()],
                    mtu: Some(9000),
                    optional: true,
                    ..interface(InterfaceMatch::Name("eth1".to_owned()))
                },
            ],
            ..Network::default()
        }
    }

    #[test]
    fn what_the_guest_has_is_configured() {
        for (entries, path, expected_mode, expected) in [
            (
                &["/usr/sbin/netplan|", "/usr/sbin/NetworkManager|"][..],
                NETPLAN_FILE,
                "0600 0:0",
                "network:\n  version: 2\n  ethernets:\n    \"imgctl-enany\":\n      match:\n        name: \"en*\"\n      \
                 dhcp4: true\n      dhcp6: false\n    \"eth1\":\n      dhcp4: false\n      dhcp6: false\n      addresses:\n        \
                 - \"192.0.2.10/24\"\n        - \"2001:db8::10/64\"\n      routes:\n        - to: \"0.0.0.0/0\"\n          \
                 via: \"192.0.2.1\"\n        - to: \"::/0\"\n          via: \"2001:db8::1\"\n      nameservers:\n        \
                 addresses:\n          - \"192.0.2.53\"\n        search:\n          - \"lan.example\"\n      mtu: 9000\n      optional: true\n",
            ),
            (
                &["/usr/sbin/NetworkManager|"],
                "/etc/NetworkManager/system-connections/imgctl-eth1.nmconnection",
                "0600 0:0",
                "[connection]\nid=imgctl-eth1\ntype=ethernet\ninterface-name=eth1\n\n[ethernet]\nmtu=9000\n\n[ipv4]\nmethod=manual\n\
                 address1=192.0.2.10/24\ngateway=192.0.2.1\ndns=192.0.2.53;\ndns-search=lan.example;\n\n[ipv6]\nmethod=manual\n\
                 address1=2001:db8::10/64\ngateway=2001:db8::1\ndns-search=lan.example;\n",
            ),
            (
                &[
                    "/usr/lib/systemd/systemd-networkd|",
                    "/sbin/ifup|",
                    "/etc/systemd/system/multi-user.target.wants/systemd-networkd.service -> /x",
                ],
                "/etc/systemd/network/10-imgctl-eth1.network",
                "0644 0:0",
                "[Match]\nName=eth1\n\n[Link]\nMTUBytes=9000\nRequiredForOnline=no\n\n[Network]\nDHCP=no\nAddress=192.0.2.10/24\n\
                 Address=2001:db8::10/64\nGateway=192.0.2.1\nGateway=2001:db8::1\nDNS=192.0.2.53\nDomains=lan.example\n",
            ),
        ] {
            let mut guest = guest(entries);
            edited(&mut guest, |guest| set(guest, &network()).unwrap());
            assert_eq!(text(&guest, path), expected);
            assert_eq!(mode(&guest, path), expected_mode);
            let before = listing(guest.tree());
            set(&mut guest, &network()).unwrap();
            assert_eq!(listing(guest.tree()), before, "a second run changes nothing");
        }
    }

    #[test]
    fn ifupdown_sources_what_is_written() {
        let entries = [
            "/sbin/ifup|",
            "/usr/lib/systemd/systemd-networkd|",
            "/etc/network/interfaces|iface lo inet loopback\n",
        ];
        let mut guest = guest(&entries);
        assert!(set(&mut guest, &network()).is_err(), "a glob");
        let mut wanted = network();
        wanted.interfaces.remove(0);
        set(&mut guest, &wanted).unwrap();
        set(&mut guest, &wanted).unwrap();
        assert_eq!(
            text(&guest, "/etc/network/interfaces.d/imgctl-eth1"),
            "allow-hotplug eth1\niface eth1 inet static\n    address 192.0.2.10/24\n    gateway 192.0.2.1\n    \
             dns-nameservers 192.0.2.53\n    dns-search lan.example\n    mtu 9000\niface eth1 inet6 static\n    \
             address 2001:db8::10/64\n    gateway 2001:db8::1\n    dns-search lan.example\n    mtu 9000\n"
        );
        assert_eq!(
            text(&guest, "/etc/network/interfaces"),
            "iface lo inet loopback\nsource /etc/network/interfaces.d/*\n"
        );
    }

    #[test]
    fn a_document_of_netplan_stays_as_it_is() {
        let mut guest = guest(&["/usr/bin/cloud-init|", "/etc/cloud/cloud.cfg|"]);
        let wanted = Network {
            netplan: Some(Document {
                text: "network: { version: 2 }\n".to_owned(),
                sensitive: false,
            }),
            ..Network::default()
        };
        set(&mut guest, &wanted).unwrap();
        assert_eq!(text(&guest, NETPLAN_FILE), "network: { version: 2 }\n");
        let told: Vec<&str> = guest.warnings().iter().map(|warning| &warning.message[..26]).collect();
        assert_eq!(told, ["the guest has no netplan, ", "cloud-init configures the "]);
    }
}
