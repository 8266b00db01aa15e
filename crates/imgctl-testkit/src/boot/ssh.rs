//! A key to log in with over the network, by OpenSSH's own client.

use std::ffi::OsStr;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use crate::oracle;

/// A key pair of OpenSSH.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeyPair {
    /// The file of the private key.
    private: PathBuf,
    /// The public key: a line of `authorized_keys`.
    pub public: String,
}

impl KeyPair {
    /// Makes a new one in `folder`.
    ///
    /// # Errors
    ///
    /// When `ssh-keygen` is missing or fails.
    pub fn generate(folder: &Path) -> Result<Self> {
        let private = folder.join("key");
        let options = ["-q", "-t", "ed25519", "-N", "", "-C", "boot-test", "-f"].map(OsStr::new);
        oracle::run("ssh-keygen", options.into_iter().chain([private.as_os_str()]))?;
        let public = std::fs::read_to_string(private.with_extension("pub")).context("reading the public key")?;
        Ok(Self {
            private,
            public: public.trim_end().to_owned(),
        })
    }

    /// Logs in as `user` by this key alone, at this port of this computer.
    ///
    /// # Errors
    ///
    /// When the key is refused, or somebody else is logged in.
    pub(crate) fn log_in(&self, user: &str, port: u16) -> Result<()> {
        let options = [
            "BatchMode=yes",
            "IdentitiesOnly=yes",
            "PreferredAuthentications=publickey",
            "StrictHostKeyChecking=no",
            "UserKnownHostsFile=/dev/null",
            "LogLevel=ERROR",
            "ConnectTimeout=60",
            "ConnectionAttempts=5",
        ];
        let port = port.to_string();
        let address = format!("{user}@{}", Ipv4Addr::LOCALHOST);
        let mut arguments: Vec<&OsStr> = Vec::new();
        arguments.extend(["-F", "none", "-p", &port, "-i"].map(OsStr::new));
        arguments.push(self.private.as_os_str());
        arguments.extend(options.iter().flat_map(|option| ["-o", option]).map(OsStr::new));
        arguments.extend([&address, "id", "-un"].map(OsStr::new));
        let answer = oracle::run("ssh", arguments).with_context(|| format!("logging in as {user} by key"))?;
        ensure!(answer.trim() == user, "the key of {user} logs in as {answer}");
        Ok(())
    }
}

/// A port of this computer that nobody listens at.
pub(crate) fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("looking for a free port")?;
    Ok(listener.local_addr()?.port())
}
