//! `network` and `cloud_init`.

use std::fmt;
use std::net::IpAddr;

/// A text that was made from the recipe's values.
#[derive(Clone, Eq, PartialEq)]
pub struct Document {
    /// The text, its last line ended.
    pub text: String,
    /// Whether a secret is in it.
    pub sensitive: bool,
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.sensitive {
            true => f.write_str("Document(..)"),
            false => write!(f, "Document({:?})", self.text),
        }
    }
}

/// The `network` section.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Network {
    /// What `interfaces` is written for; `None`: what the guest has.
    pub renderer: Option<Renderer>,
    /// A document of netplan, with its outermost `network`.
    pub netplan: Option<Document>,
    /// The interfaces, in the recipe's order.
    pub interfaces: Vec<Interface>,
    /// Name servers of the whole machine.
    pub name_servers: Vec<IpAddr>,
    /// Domains that short names are looked for in.
    pub search: Vec<String>,
}

/// What configures networks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Renderer {
    /// netplan.
    Netplan,
    /// NetworkManager.
    NetworkManager,
    /// systemd-networkd.
    Networkd,
    /// ifupdown, and what is compatible with it.
    Ifupdown,
}

/// One entry of `network.interfaces`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Interface {
    /// Which one.
    pub matched: InterfaceMatch,
    /// Whether it asks for an IPv4 address.
    pub dhcp4: bool,
    /// Whether it asks for an IPv6 address.
    pub dhcp6: bool,
    /// Addresses with the lengths of their prefixes.
    pub addresses: Vec<(IpAddr, u8)>,
    /// Default gateways, one for each kind of IP at most.
    pub gateways: Vec<IpAddr>,
    /// Name servers behind it.
    pub name_servers: Vec<IpAddr>,
    /// Domains that short names are looked for in.
    pub search: Vec<String>,
    /// The largest packet, in bytes.
    pub mtu: Option<u16>,
    /// Whether a boot goes on without waiting for it.
    pub optional: bool,
}

/// Which interfaces an entry is for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum InterfaceMatch {
    /// The one of this name.
    Name(String),
    /// All whose names this glob matches.
    Glob(String),
    /// The one with this hardware address, in lower case.
    Mac(String),
}

/// The `cloud_init` section.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CloudInit {
    /// Whether it runs at all; `None`: unchanged.
    pub enabled: Option<bool>,
    /// Whether it configures the network; `None`: unchanged.
    pub network: Option<bool>,
    /// `datasource_list`.
    pub datasources: Option<Vec<String>>,
    /// A drop-in of cloud.cfg.d.
    pub settings: Option<Document>,
    /// Files of the datasource NoCloud.
    pub seed: Option<CloudSeed>,
}

/// `cloud_init.seed`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CloudSeed {
    /// `meta-data`.
    pub meta_data: Option<Document>,
    /// `user-data`.
    pub user_data: Option<Document>,
    /// `vendor-data`.
    pub vendor_data: Option<Document>,
    /// `network-config`.
    pub network_config: Option<Document>,
}
