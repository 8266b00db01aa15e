//! `network`: interfaces and names.

use super::{Key, Rule, Shape, Table};
use crate::kinds;

pub(super) static NETWORK: Table = Table {
    path: "network",
    what: "a mapping like `{ interfaces: [{ match: \"en*\", dhcp4: true }] }`",
    about: "How the guest reaches others: `interfaces` is written for what the guest has (netplan, NetworkManager, systemd-networkd or \
ifupdown), `netplan` as it stands. cloud-init configures the network, too, unless `cloud_init: { network: false }` says otherwise.",
    example: "\
network:
  interfaces:
    - { match: \"en*\", dhcp4: true }
    - { name: eth1, addresses: [192.0.2.10/24, \"2001:db8::10/64\"], gateways: [192.0.2.1], mtu: 9000 }
  dns: { servers: [192.0.2.53], search: [lan.example] }
",
    rules: &[
        Rule::OneAtMost(&["netplan", "interfaces"]),
        Rule::Needs("renderer", &["interfaces"]),
    ],
    keys: &[
        Key::new(
            "renderer",
            Shape::Choice(&["netplan", "networkmanager", "networkd", "ifupdown"]),
            "networkmanager",
            "What `interfaces` is written for.",
        )
        .default(
            "what the guest has, the first of netplan, NetworkManager, systemd-networkd if it is enabled, ifupdown",
        )
        .also(&["backend"]),
        Key::new(
            "interfaces",
            Shape::List(&Shape::Table(&INTERFACE)),
            "[{ match: \"en*\", dhcp4: true }]",
            "Interfaces, one file each where the guest has it so.",
        )
        .also(&["ethernets", "connections", "nics"]),
        Key::new(
            "netplan",
            Shape::Any,
            "{ version: 2, ethernets: { eth0: { dhcp4: true } } }",
            "A document of netplan, with or without its outermost `network`; it becomes `/etc/netplan/90-imgctl.yaml`.",
        ),
        Key::new(
            "dns",
            Shape::Table(&DNS),
            "{ servers: [192.0.2.53] }",
            "Name servers of the whole machine.",
        )
        .default("unchanged")
        .also(&["nameservers", "resolver", "resolv_conf"]),
        Key::when(),
    ],
};

static INTERFACE: Table = Table {
    path: "network.interfaces[]",
    what: "a mapping like `{ name: eth0, dhcp4: true }`",
    about: "One interface, or all that match. Without addresses and DHCP it is brought up with addresses of its link only.",
    example: "network: { interfaces: [{ name: eth0, dhcp4: true, dhcp6: false }] }\n",
    rules: &[Rule::One(&["name", "match", "mac"])],
    keys: &[
        Key::new("name", Shape::Text(&kinds::INTERFACE), "eth0", "Its name.").also(&["interface", "device", "ifname"]),
        Key::new(
            "match",
            Shape::Text(&kinds::INTERFACE_GLOB),
            "\"en*\"",
            "A glob of names: every interface that has one of them.",
        ),
        Key::new(
            "mac",
            Shape::Text(&kinds::MAC_ADDRESS),
            "\"52:54:00:12:34:56\"",
            "Its hardware address. Clones have others: rarely right in an image.",
        )
        .also(&["macaddress", "hwaddr"]),
        Key::new("dhcp4", Shape::Boolean, "true", "Whether it asks for an IPv4 address.").default("`false`"),
        Key::new("dhcp6", Shape::Boolean, "true", "Whether it asks for an IPv6 address.").default("`false`"),
        Key::new(
            "addresses",
            Shape::List(&Shape::Text(&kinds::IP_PREFIX)),
            "[192.0.2.10/24]",
            "Its addresses, with the lengths of their prefixes.",
        )
        .also(&["address", "ips"]),
        Key::new(
            "gateways",
            Shape::OneOrMore(&Shape::Text(&kinds::IP_ADDRESS)),
            "[192.0.2.1]",
            "Default gateways, one for each kind of IP.",
        )
        .also(&["gateway", "gateway4", "gateway6"]),
        Key::new(
            "nameservers",
            Shape::List(&Shape::Text(&kinds::IP_ADDRESS)),
            "[192.0.2.53]",
            "Name servers behind it.",
        )
        .also(&["dns"]),
        Key::new(
            "search",
            Shape::List(&Shape::Text(&kinds::DOMAIN)),
            "[lan.example]",
            "Domains that short names are looked for in.",
        )
        .also(&["domains", "search_domains"]),
        Key::new(
            "mtu",
            Shape::Integer(68, 65535),
            "9000",
            "The largest packet, in bytes.",
        )
        .default("the driver's"),
        Key::new(
            "optional",
            Shape::Boolean,
            "true",
            "Whether a boot goes on without waiting for it.",
        )
        .default("`false`"),
        Key::when(),
    ],
};

static DNS: Table = Table {
    path: "network.dns",
    what: "a mapping like `{ servers: [192.0.2.53] }`",
    about: "Where `/etc/resolv.conf` is a link to what a service writes, that service is told; else it is the file itself.",
    example: "network: { dns: { servers: [192.0.2.53, \"2001:db8::53\"], search: [lan.example] } }\n",
    rules: &[],
    keys: &[
        Key::new(
            "servers",
            Shape::List(&Shape::Text(&kinds::IP_ADDRESS)),
            "[192.0.2.53]",
            "Name servers, the first one first.",
        )
        .also(&["nameservers", "addresses"]),
        Key::new(
            "search",
            Shape::List(&Shape::Text(&kinds::DOMAIN)),
            "[lan.example]",
            "Domains that short names are looked for in.",
        )
        .also(&["domains"]),
    ],
};
