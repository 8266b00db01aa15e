//! How programs of the guest run, the same for every command.

use clap::{Args, ValueEnum};
use imgctl_core::{ProgramOptions, SandboxChoice};

/// Variables of the caller that programs of the guest get: without them nothing is reached where a proxy stands between.
const PASSED: [&str; 8] = [
    "http_proxy",
    "https_proxy",
    "ftp_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "FTP_PROXY",
    "NO_PROXY",
];

#[derive(Args, Clone, Debug)]
pub(crate) struct ProgramArgs {
    /// What programs of the guest run in; `none` refuses them
    #[arg(long, value_name = "KIND", default_value = "auto", help_heading = "Guest programs")]
    sandbox: SandboxKind,
    /// What programs of the guest reach: nothing, or all that this machine does
    #[arg(long, value_name = "WHAT", default_value = "none", help_heading = "Guest programs")]
    network: NetworkKind,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum SandboxKind {
    /// What works here
    Auto,
    /// Namespaces, the guest's files through FUSE
    Userns,
    /// Namespaces, the guest's files extracted to the scratch folder first
    Extract,
    /// Nothing
    None,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum NetworkKind {
    /// No network
    None,
    /// The network of this machine, itself included
    Host,
}

impl ProgramArgs {
    pub(crate) fn options(&self) -> ProgramOptions {
        ProgramOptions {
            sandbox: match self.sandbox {
                SandboxKind::Auto => SandboxChoice::Auto,
                SandboxKind::Userns => SandboxChoice::Userns,
                SandboxKind::Extract => SandboxChoice::Extract,
                SandboxKind::None => SandboxChoice::None,
            },
            ..with_network(self.network == NetworkKind::Host)
        }
    }
}

/// Programs with this machine's network and its proxies, or without any.
pub(crate) fn with_network(has_network: bool) -> ProgramOptions {
    let variable = |name: &str| Some((name.to_owned(), std::env::var(name).ok()?));
    ProgramOptions {
        host_network: has_network,
        environment: match has_network {
            true => PASSED.iter().filter_map(|name| variable(name)).collect(),
            false => Vec::new(),
        },
        ..ProgramOptions::default()
    }
}
