//! The name servers that programs of the guest ask where they reach this machine's network.

use std::fs;
use std::net::IpAddr;

/// In the order of trust: what systemd-resolved asks itself, then what this machine's programs ask.
const PLACES: [&str; 3] = [
    "/run/systemd/resolve/resolv.conf",
    "/run/NetworkManager/no-stub-resolv.conf",
    "/etc/resolv.conf",
];

/// A resolv.conf(5) with this machine's real servers: a stub on a loopback address is none.
pub(super) fn resolv_conf() -> Option<String> {
    PLACES
        .iter()
        .find_map(|place| of_text(&fs::read_to_string(place).ok()?))
}

fn of_text(text: &str) -> Option<String> {
    let is_kept = |line: &&str| {
        let mut words = line.split_whitespace();
        match (words.next(), words.next()) {
            (Some("nameserver"), Some(address)) => address.parse().is_ok_and(|address: IpAddr| !address.is_loopback()),
            (Some("search" | "options"), Some(_)) => true,
            _ => false,
        }
    };
    let lines: Vec<&str> = text.lines().filter(is_kept).collect();
    let has_server = lines.iter().any(|line| line.trim_start().starts_with("nameserver"));
    has_server.then(|| lines.join("\n") + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stub_is_no_server() {
        assert_eq!(of_text("nameserver 127.0.0.53\nsearch a\n"), None);
        assert_eq!(
            of_text("# x\nnameserver 127.0.0.1\nnameserver 192.0.2.1\nsearch a b\ndomain x\n").unwrap(),
            "nameserver 192.0.2.1\nsearch a b\n"
        );
    }
}
