//! Capabilities of files as setcap(8) takes them, and as the kernel stores them (linux/capability.h, capabilities(7)).

/// Every capability, by its number.
const NAMES: [&str; 41] = [
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
];

/// `VFS_CAP_REVISION_2`, and its flag that the permitted ones are effective at once.
const REVISION: u32 = 0x0200_0000;
const EFFECTIVE: u32 = 1;

/// The capabilities that a program gets from its file.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct FileCapabilities {
    permitted: u64,
    inheritable: u64,
    effective: u64,
}

impl FileCapabilities {
    /// Reads a text like `cap_net_bind_service,cap_net_raw+ep`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut sets = Self::default();
        let mut clauses = text.split_whitespace().peekable();
        clauses.peek()?;
        for clause in clauses {
            sets.apply(clause)?;
        }
        // A file stores one flag for all: the effective ones are none, or all that can be.
        let possible = sets.permitted | sets.inheritable;
        (sets.effective == 0 || sets.effective == possible).then_some(sets)
    }

    /// The bytes of the attribute `security.capability`.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 20] {
        let magic = REVISION | if self.effective == 0 { 0 } else { EFFECTIVE };
        let half = |set: u64, shift: u32| u32::try_from((set >> shift) & u64::from(u32::MAX)).unwrap_or(0);
        let words = [
            magic,
            half(self.permitted, 0),
            half(self.inheritable, 0),
            half(self.permitted, 32),
            half(self.inheritable, 32),
        ];
        let mut bytes = [0; 20];
        for (place, word) in bytes.chunks_exact_mut(4).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    /// One clause: names, then operators each with flags.
    fn apply(&mut self, clause: &str) -> Option<()> {
        let start = clause.find(['=', '+', '-'])?;
        let (names, mut rest) = clause.split_at_checked(start)?;
        let set = match names {
            "" if rest.starts_with('=') => all(),
            "" => return None,
            names => {
                let mut set = 0;
                for name in names.split(',') {
                    set |= bit(name)?;
                }
                set
            }
        };
        while let Some(operator) = rest.chars().next() {
            rest = rest.get(1..)?;
            let end = rest.find(['=', '+', '-']).unwrap_or(rest.len());
            let (flags, after) = rest.split_at_checked(end)?;
            rest = after;
            if operator == '=' {
                for target in [&mut self.permitted, &mut self.inheritable, &mut self.effective] {
                    *target &= !set;
                }
            } else if flags.is_empty() {
                return None;
            }
            for flag in flags.chars() {
                let target = match flag {
                    'p' => &mut self.permitted,
                    'i' => &mut self.inheritable,
                    'e' => &mut self.effective,
                    _ => return None,
                };
                match operator {
                    '-' => *target &= !set,
                    _ => *target |= set,
                }
            }
        }
        Some(())
    }
}

fn all() -> u64 {
    (1 << NAMES.len()) - 1
}

fn bit(name: &str) -> Option<u64> {
    let name = name.to_ascii_lowercase();
    if name == "all" {
        return Some(all());
    }
    let number = match name.strip_prefix("cap_") {
        Some(name) => NAMES.iter().position(|known| *known == name)?,
        None => name.parse().ok().filter(|number| *number < NAMES.len())?,
    };
    Some(1 << number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read() {
        let bytes = |text: &str| FileCapabilities::parse(text).unwrap().to_bytes();
        assert_eq!(bytes("cap_net_bind_service+ep")[..8], [1, 0, 0, 2, 0, 4, 0, 0]);
        assert_eq!(bytes("cap_net_bind_service=ep"), bytes("10+ep"));
        assert_eq!(
            bytes("cap_bpf=p")[..16],
            [0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 128, 0, 0, 0]
        );
        assert_eq!(bytes("cap_chown,CAP_KILL=eip cap_kill-eip"), bytes("cap_chown=eip"));
        for text in [
            "",
            "cap_none+ep",
            "cap_chown",
            "+ep",
            "cap_chown+q",
            "cap_chown+",
            "cap_chown=ep cap_kill=p",
            "99=p",
        ] {
            assert_eq!(FileCapabilities::parse(text), None, "{text}");
        }
    }
}
