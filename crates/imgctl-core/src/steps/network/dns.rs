//! `network.dns`: name servers of the whole machine, told to whoever writes /etc/resolv.conf.

use super::interfaces::has_any;
use crate::guest::Guest;
use crate::steps::flags::{FlagDeed, FlagGroup, FlagSpec, Peer};
use crate::steps::text::{edit, put, with_lines};
use crate::steps::{Outcome, StepFailure, fixed};
use imgctl_vfs::EscapedBytes;
use serde_json::json;
use std::net::IpAddr;

pub(super) const FLAG: FlagSpec = FlagSpec {
    name: "dns-server",
    value: "ADDRESS[,ADDRESS]",
    group: FlagGroup::Network,
    help: "Set the name servers of the whole machine",
    example: "192.0.2.53",
    recipe: "network.dns.servers",
    peer: Peer::Ours,
    deed: FlagDeed::Recipe(|text| {
        let servers: Vec<&str> = text.split(',').map(str::trim).collect();
        Ok(json!({ "network": { "dns": { "servers": servers } } }))
    }),
};

const FILE: &str = "/etc/resolv.conf";
const MANAGER: [&str; 2] = ["/usr/sbin/NetworkManager", "/usr/bin/NetworkManager"];

pub(super) fn set(guest: &mut Guest, servers: &[IpAddr], search: &[String]) -> Outcome<()> {
    if servers.is_empty() && search.is_empty() {
        return Ok(());
    }
    let servers: Vec<String> = servers.iter().map(IpAddr::to_string).collect();
    let path = fixed(FILE);
    let target = guest.read_link(&path)?;
    let leads_to = |part: &str| {
        let target = target.as_deref().unwrap_or_default();
        String::from_utf8_lossy(target).contains(part)
    };
    if leads_to("systemd/resolve") {
        let mut text = String::from("[Resolve]\n");
        lines(&mut text, "DNS=", &servers, " ");
        lines(&mut text, "Domains=", search, " ");
        put(
            guest,
            &fixed("/etc/systemd/resolved.conf.d/90-imgctl.conf"),
            &text,
            0o644,
        )?;
    } else if leads_to("NetworkManager") || target.is_none() && has_any(guest, &MANAGER)? {
        let mut text = String::from("[global-dns]\n");
        lines(&mut text, "searches=", search, ",");
        text.push_str("\n[global-dns-domain-*]\n");
        lines(&mut text, "servers=", &servers, ",");
        put(
            guest,
            &fixed("/etc/NetworkManager/conf.d/90-imgctl-dns.conf"),
            &text,
            0o644,
        )?;
    } else if leads_to("resolvconf") {
        let text = plain(&servers, search);
        edit(guest, &fixed("/etc/resolvconf/resolv.conf.d/head"), |old| {
            Ok(Some(with_lines(old, text.lines())))
        })?;
    } else if leads_to("/run/") || leads_to("/proc/") || leads_to("/tmp/") {
        let target = EscapedBytes(&target.unwrap_or_default()).to_string();
        return Err(StepFailure::refused_with(
            format!("{FILE} leads to {target}, which is made anew at each boot by something unknown"),
            "configure that, or put a file in the link's place by `files`",
        ));
    } else {
        put(guest, &path, &plain(&servers, search), 0o644)?;
    }
    Ok(())
}

fn lines(text: &mut String, head: &str, values: &[String], separator: &str) {
    if !values.is_empty() {
        text.push_str(&format!("{head}{}\n", values.join(separator)));
    }
}

fn plain(servers: &[String], search: &[String]) -> String {
    let mut text = String::new();
    lines(&mut text, "search ", search, " ");
    for server in servers {
        text.push_str(&format!("nameserver {server}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{edited, guest, text};

    fn run(entries: &[&str]) -> (Guest, Vec<String>) {
        let mut guest = guest(entries);
        let servers = ["192.0.2.53".parse().unwrap(), "2001:db8::53".parse().unwrap()];
        let search = ["lan.example".to_owned()];
        let changes = edited(&mut guest, |guest| {
            set(guest, &servers, &search).unwrap();
            set(guest, &servers, &search).unwrap();
        });
        (guest, changes)
    }

    #[test]
    fn whoever_writes_the_file_is_told() {
        let resolved = "/etc/resolv.conf -> ../run/systemd/resolve/stub-resolv.conf";
        let (resolved, changes) = run(&[resolved, "/etc/systemd/"]);
        assert_eq!(changes.len(), 3);
        assert_eq!(
            text(&resolved, "/etc/systemd/resolved.conf.d/90-imgctl.conf"),
            "[Resolve]\nDNS=192.0.2.53 2001:db8::53\nDomains=lan.example\n"
        );
        let (manager, _) = run(&["/usr/sbin/NetworkManager|", "/etc/resolv.conf|nameserver 1.1.1.1\n"]);
        assert_eq!(
            text(&manager, "/etc/NetworkManager/conf.d/90-imgctl-dns.conf"),
            "[global-dns]\nsearches=lan.example\n\n[global-dns-domain-*]\nservers=192.0.2.53,2001:db8::53\n"
        );
        let (alone, changes) = run(&["/etc/resolv.conf|nameserver 1.1.1.1\n"]);
        assert_eq!(changes, ["~/etc/resolv.conf"]);
        assert_eq!(
            text(&alone, FILE),
            "search lan.example\nnameserver 192.0.2.53\nnameserver 2001:db8::53\n"
        );
        let mut unknown = guest(&["/etc/resolv.conf -> /run/x/resolv.conf"]);
        assert!(set(&mut unknown, &["192.0.2.53".parse().unwrap()], &[]).is_err());
    }
}
