//! `network` and `cloud_init`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::Context;
use crate::document::{is_sensitive, written};
use crate::fields::Fields;
use crate::finding::{Complaint, Place};
use crate::node::{Node, NodeKind};
use crate::plan::{CloudInit, CloudSeed, Document, Interface, InterfaceMatch, Network, Renderer, Sourced};

pub(super) fn network(fields: &Fields<'_>, context: &mut Context<'_>) -> Option<Sourced<Network>> {
    let (section, place) = fields.table("network")?;
    let renderer = section.text("renderer").and_then(|(name, _)| match name {
        "netplan" => Some(Renderer::Netplan),
        "networkmanager" => Some(Renderer::NetworkManager),
        "networkd" => Some(Renderer::Networkd),
        "ifupdown" => Some(Renderer::Ifupdown),
        _ => None,
    });
    let netplan = section
        .any("netplan")
        .and_then(|(node, place)| netplan(node, place, context));
    let dns = section.table("dns").map(|(dns, _)| dns);
    let network = Network {
        renderer,
        netplan,
        interfaces: interfaces(section, context),
        name_servers: dns.map_or_else(Vec::new, |dns| addresses(dns, "servers")),
        search: dns.map_or_else(Vec::new, |dns| texts(dns, "search")),
    };
    Some(context.sourced(network, place))
}

fn netplan(node: &Node, place: &Place, context: &mut Context<'_>) -> Option<Document> {
    let whole = node.get("network");
    let NodeKind::Mapping(_) = whole.unwrap_or(node).kind else {
        let complaint = Complaint::error(format!("`netplan` must be a mapping, but is {}", node.describe()));
        context.report(
            place,
            complaint.hint("for example `netplan: { version: 2, ethernets: { eth0: { dhcp4: true } } }`"),
        );
        return None;
    };
    if whole.unwrap_or(node).get("version").is_none() {
        let complaint = Complaint::error("netplan does not take a document without `version`");
        context.report(place, complaint.hint("add `version: 2`"));
        return None;
    }
    let text = match whole {
        Some(_) => written(node),
        None => {
            let inner = written(node);
            let lines = inner.lines().map(|line| match line {
                "" => "\n".to_owned(),
                line => format!("  {line}\n"),
            });
            format!("network:\n{}", lines.collect::<String>())
        }
    };
    Some(Document {
        text,
        sensitive: is_sensitive(node),
    })
}

fn interfaces(section: &Fields<'_>, context: &mut Context<'_>) -> Vec<Interface> {
    let mut interfaces = Vec::new();
    let mut seen = BTreeMap::new();
    for (entry, place) in section.tables("interfaces") {
        let text = |key: &str| entry.text(key).map(|(text, _)| text.to_owned());
        let matched = text("name").map(InterfaceMatch::Name);
        let matched = matched.or_else(|| text("match").map(InterfaceMatch::Glob));
        let matched = matched.or_else(|| text("mac").map(|mac| InterfaceMatch::Mac(mac.to_ascii_lowercase())));
        let Some(matched) = matched else {
            continue;
        };
        let gateways = addresses(entry, "gateways");
        if gateways.iter().filter(|gateway| gateway.is_ipv4()).count() > 1
            || gateways.iter().filter(|gateway| gateway.is_ipv6()).count() > 1
        {
            let complaint = Complaint::error("an interface has one default gateway for each kind of IP");
            context.report(
                place,
                complaint.hint("write further routes in a `netplan` document or as `files`"),
            );
        }
        if !entry.is_conditional() {
            let line = context.line(place);
            let key = format!("{matched:?}");
            if let Some(first) = seen.insert(key, line) {
                let complaint = Complaint::error(format!("the same interface is in line {first}"));
                context.report(place, complaint.hint("merge the two entries"));
            }
        }
        interfaces.push(Interface {
            matched,
            dhcp4: entry.boolean("dhcp4").unwrap_or(false),
            dhcp6: entry.boolean("dhcp6").unwrap_or(false),
            addresses: prefixes(entry),
            gateways,
            name_servers: addresses(entry, "nameservers"),
            search: texts(entry, "search"),
            mtu: entry.integer("mtu").and_then(|(mtu, _)| u16::try_from(mtu).ok()),
            optional: entry.boolean("optional").unwrap_or(false),
        });
    }
    interfaces
}

fn prefixes(entry: &Fields<'_>) -> Vec<(IpAddr, u8)> {
    let texts = entry.texts("addresses");
    let pairs = texts.filter_map(|(text, _)| {
        let (address, length) = text.split_once('/')?;
        Some((address.parse().ok()?, length.parse().ok()?))
    });
    pairs.collect()
}

fn addresses(entry: &Fields<'_>, key: &str) -> Vec<IpAddr> {
    entry.texts(key).filter_map(|(text, _)| text.parse().ok()).collect()
}

fn texts(entry: &Fields<'_>, key: &str) -> Vec<String> {
    entry.texts(key).map(|(text, _)| text.to_owned()).collect()
}

pub(super) fn cloud_init(fields: &Fields<'_>, context: &mut Context<'_>) -> Option<Sourced<CloudInit>> {
    let (section, place) = fields.table("cloud_init")?;
    let settings = section
        .any("settings")
        .and_then(|(node, place)| mapping("settings", node, place, context));
    let seed = section.table("seed").map(|(seed, _)| CloudSeed {
        meta_data: document(seed, "meta_data", "", context),
        user_data: document(seed, "user_data", "#cloud-config\n", context),
        vendor_data: document(seed, "vendor_data", "#cloud-config\n", context),
        network_config: document(seed, "network_config", "", context),
    });
    let cloud_init = CloudInit {
        enabled: section.boolean("enabled"),
        network: section.boolean("network"),
        datasources: section.is_list("datasources").then(|| texts(section, "datasources")),
        settings,
        seed,
    };
    Some(context.sourced(cloud_init, place))
}

fn mapping(key: &str, node: &Node, place: &Place, context: &mut Context<'_>) -> Option<Document> {
    let NodeKind::Mapping(_) = node.kind else {
        let complaint = Complaint::error(format!("`{key}` must be a mapping, but is {}", node.describe()));
        context.report(place, complaint);
        return None;
    };
    Some(Document {
        text: written(node),
        sensitive: is_sensitive(node),
    })
}

/// A string as it is, or a mapping as YAML after `head`.
fn document(seed: &Fields<'_>, key: &str, head: &str, context: &mut Context<'_>) -> Option<Document> {
    if let Some((node, place)) = seed.any(key) {
        let document = mapping(key, node, place, context)?;
        return Some(Document {
            text: format!("{head}{}", document.text),
            ..document
        });
    }
    let (text, place) = seed.text(key)?;
    if !head.is_empty() {
        check_head(key, text, place, context);
    }
    let end = if text.is_empty() || text.ends_with('\n') {
        ""
    } else {
        "\n"
    };
    Some(Document {
        text: format!("{text}{end}"),
        sensitive: seed.is_secret(key),
    })
}

/// What cloud-init tells kinds of data by.
fn check_head(key: &str, text: &str, place: &Place, context: &mut Context<'_>) {
    const HEADS: [&str; 11] = [
        "#cloud-config",
        "#!",
        "#include",
        "#cloud-boothook",
        "#part-handler",
        "#upstart-job",
        "## template:",
        "Content-Type:",
        "MIME-Version:",
        "#cloud-config-archive",
        "#cloud-config-jsonp",
    ];
    if !text.is_empty() && !HEADS.iter().any(|head| text.starts_with(head)) {
        let message = format!("cloud-init cannot tell by its first line what `{key}` is");
        context.report(
            place,
            Complaint::warning(message).hint("begin with `#cloud-config` or `#!`"),
        );
    }
}
