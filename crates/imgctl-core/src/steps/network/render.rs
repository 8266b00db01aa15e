//! Interfaces in the words of what configures them.
//!
//! Facts: netplan's YAML reference, nm-settings-keyfile(5), systemd.network(5), interfaces(5).

use imgctl_recipe::{Interface, InterfaceMatch};
use std::fmt::Write as _;
use std::net::IpAddr;

/// A name for files and connections, made from what the interface is told by.
pub(super) fn identifier(interface: &Interface) -> String {
    let text = match &interface.matched {
        InterfaceMatch::Name(name) => name.clone(),
        InterfaceMatch::Glob(glob) => glob.replace('*', "any"),
        InterfaceMatch::Mac(mac) => mac.replace(':', ""),
    };
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    text.chars().map(plain).collect()
}

/// A document of netplan with all interfaces. Writing to strings cannot fail.
pub(super) fn netplan(interfaces: &[Interface]) -> String {
    let mut text = String::from("network:\n  version: 2\n  ethernets:\n");
    for interface in interfaces {
        let key = match &interface.matched {
            InterfaceMatch::Name(name) => name.clone(),
            _ => format!("imgctl-{}", identifier(interface)),
        };
        let _ = writeln!(text, "    \"{key}\":");
        match &interface.matched {
            InterfaceMatch::Name(_) => {}
            InterfaceMatch::Glob(glob) => {
                let _ = writeln!(text, "      match:\n        name: \"{glob}\"");
            }
            InterfaceMatch::Mac(mac) => {
                let _ = writeln!(text, "      match:\n        macaddress: \"{mac}\"");
            }
        }
        let (dhcp4, dhcp6) = (interface.dhcp4, interface.dhcp6);
        let _ = writeln!(text, "      dhcp4: {dhcp4}\n      dhcp6: {dhcp6}");
        netplan_details(&mut text, interface);
    }
    text
}

fn netplan_details(text: &mut String, interface: &Interface) {
    let list = |text: &mut String, head: &str, indent: &str, items: Vec<String>| {
        if !items.is_empty() {
            let _ = writeln!(text, "{head}");
            for item in items {
                let _ = writeln!(text, "{indent}- \"{item}\"");
            }
        }
    };
    list(text, "      addresses:", "        ", addresses(interface, |_| true));
    if !interface.gateways.is_empty() {
        let _ = writeln!(text, "      routes:");
        for gateway in &interface.gateways {
            // Older releases do not know `default`.
            let to = if gateway.is_ipv4() { "0.0.0.0/0" } else { "::/0" };
            let _ = writeln!(text, "        - to: \"{to}\"\n          via: \"{gateway}\"");
        }
    }
    if !interface.name_servers.is_empty() || !interface.search.is_empty() {
        let _ = writeln!(text, "      nameservers:");
        let servers = interface.name_servers.iter().map(IpAddr::to_string).collect();
        list(text, "        addresses:", "          ", servers);
        list(text, "        search:", "          ", interface.search.clone());
    }
    if let Some(mtu) = interface.mtu {
        let _ = writeln!(text, "      mtu: {mtu}");
    }
    if interface.optional {
        let _ = writeln!(text, "      optional: true");
    }
}

/// A keyfile of NetworkManager. It has no UUID: NetworkManager makes one from the file's path.
pub(super) fn keyfile(interface: &Interface) -> String {
    let mut text = format!("[connection]\nid=imgctl-{}\ntype=ethernet\n", identifier(interface));
    let mut ethernet = String::new();
    match &interface.matched {
        InterfaceMatch::Name(name) => {
            let _ = writeln!(text, "interface-name={name}");
        }
        InterfaceMatch::Glob(glob) => {
            // One connection for several interfaces at once.
            let _ = writeln!(text, "multi-connect=3\n\n[match]\ninterface-name={glob};");
        }
        InterfaceMatch::Mac(mac) => {
            let _ = writeln!(ethernet, "mac-address={}", mac.to_ascii_uppercase());
        }
    }
    if let Some(mtu) = interface.mtu {
        let _ = writeln!(ethernet, "mtu={mtu}");
    }
    if !ethernet.is_empty() {
        let _ = write!(text, "\n[ethernet]\n{ethernet}");
    }
    keyfile_addresses(
        &mut text,
        interface,
        "ipv4",
        interface.dhcp4,
        "disabled",
        IpAddr::is_ipv4,
    );
    // Without anything static, what routers announce is heeded, as networkd does.
    keyfile_addresses(&mut text, interface, "ipv6", interface.dhcp6, "auto", IpAddr::is_ipv6);
    text
}

fn keyfile_addresses(
    text: &mut String,
    interface: &Interface,
    section: &str,
    dhcp: bool,
    without: &str,
    is_of: fn(&IpAddr) -> bool,
) {
    let addresses = addresses(interface, is_of);
    let method = match (dhcp, addresses.is_empty()) {
        (true, _) => "auto",
        (false, false) => "manual",
        (false, true) => without,
    };
    let _ = writeln!(text, "\n[{section}]\nmethod={method}");
    for (index, address) in addresses.iter().enumerate() {
        let _ = writeln!(text, "address{}={address}", index + 1);
    }
    if let Some(gateway) = interface.gateways.iter().find(|gateway| is_of(gateway)) {
        let _ = writeln!(text, "gateway={gateway}");
    }
    let servers = joined(interface.name_servers.iter().filter(|server| is_of(server)), ";");
    if !servers.is_empty() {
        let _ = writeln!(text, "dns={servers};");
    }
    if !interface.search.is_empty() && method != "disabled" {
        let _ = writeln!(text, "dns-search={};", interface.search.join(";"));
    }
}

/// A .network file of systemd-networkd.
pub(super) fn networkd(interface: &Interface) -> String {
    let mut text = match &interface.matched {
        InterfaceMatch::Name(name) | InterfaceMatch::Glob(name) => format!("[Match]\nName={name}\n"),
        InterfaceMatch::Mac(mac) => format!("[Match]\nMACAddress={mac}\n"),
    };
    let mut link = String::new();
    if let Some(mtu) = interface.mtu {
        let _ = writeln!(link, "MTUBytes={mtu}");
    }
    if interface.optional {
        let _ = writeln!(link, "RequiredForOnline=no");
    }
    if !link.is_empty() {
        let _ = write!(text, "\n[Link]\n{link}");
    }
    let dhcp = match (interface.dhcp4, interface.dhcp6) {
        (true, true) => "yes",
        (true, false) => "ipv4",
        (false, true) => "ipv6",
        (false, false) => "no",
    };
    let _ = writeln!(text, "\n[Network]\nDHCP={dhcp}");
    for address in addresses(interface, |_| true) {
        let _ = writeln!(text, "Address={address}");
    }
    for gateway in &interface.gateways {
        let _ = writeln!(text, "Gateway={gateway}");
    }
    for server in &interface.name_servers {
        let _ = writeln!(text, "DNS={server}");
    }
    if !interface.search.is_empty() {
        let _ = writeln!(text, "Domains={}", interface.search.join(" "));
    }
    text
}

/// Stanzas of interfaces(5); `None` for an interface that is not told by its name.
pub(super) fn ifupdown(interface: &Interface) -> Option<String> {
    let InterfaceMatch::Name(name) = &interface.matched else {
        return None;
    };
    let mut text = match interface.optional {
        true => format!("allow-hotplug {name}\n"),
        false => format!("auto {name}\n"),
    };
    let details = |text: &mut String, is_of: fn(&IpAddr) -> bool| {
        let servers = joined(interface.name_servers.iter().filter(|server| is_of(server)), " ");
        if !servers.is_empty() {
            let _ = writeln!(text, "    dns-nameservers {servers}");
        }
        if !interface.search.is_empty() {
            let _ = writeln!(text, "    dns-search {}", interface.search.join(" "));
        }
        if let Some(mtu) = interface.mtu {
            let _ = writeln!(text, "    mtu {mtu}");
        }
    };
    for (family, dhcp, is_of) in [
        ("inet", interface.dhcp4, IpAddr::is_ipv4 as fn(&IpAddr) -> bool),
        ("inet6", interface.dhcp6, IpAddr::is_ipv6),
    ] {
        let addresses = addresses(interface, is_of);
        if dhcp {
            let _ = writeln!(text, "iface {name} {family} dhcp");
            details(&mut text, is_of);
        } else if family == "inet" && addresses.is_empty() {
            let _ = writeln!(text, "iface {name} inet manual");
            details(&mut text, is_of);
        }
        for (index, address) in addresses.iter().enumerate() {
            let _ = writeln!(text, "iface {name} {family} static\n    address {address}");
            let gateway = interface.gateways.iter().find(|gateway| is_of(gateway));
            if let Some(gateway) = gateway.filter(|_| index == 0) {
                let _ = writeln!(text, "    gateway {gateway}");
            }
            if index == 0 {
                details(&mut text, is_of);
            }
        }
    }
    Some(text)
}

fn addresses(interface: &Interface, is_of: fn(&IpAddr) -> bool) -> Vec<String> {
    let own = interface.addresses.iter().filter(|(address, _)| is_of(address));
    own.map(|(address, length)| format!("{address}/{length}")).collect()
}

fn joined<'a>(addresses: impl Iterator<Item = &'a IpAddr>, separator: &str) -> String {
    addresses.map(IpAddr::to_string).collect::<Vec<_>>().join(separator)
}
