//! Access control lists as setfacl(1) takes them.

use super::Principal;
use crate::kinds::principal;

/// One entry of an access control list, like `u:www-data:rX` or `default:group::r-x`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AclEntry {
    /// Whether it is for what will be made in the directory.
    pub is_default: bool,
    /// Whom it is for.
    pub tag: AclTag,
    /// Read 4, write 2, execute 1.
    pub permissions: u16,
    /// `X`: to execute directories, and files that someone can execute already.
    pub with_conditional_execute: bool,
}

/// Whom an entry is for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum AclTag {
    /// The owner.
    Owner,
    /// A user.
    User(Principal),
    /// The group.
    OwningGroup,
    /// A group.
    Group(Principal),
    /// The most that users and groups get, but the owner and others.
    Mask,
    /// Everybody else.
    Other,
}

impl AclEntry {
    /// Reads an entry.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let after = text.strip_prefix("default:").or_else(|| text.strip_prefix("d:"));
        let is_default = after.is_some();
        let mut fields = after.unwrap_or(text).split(':');
        let kind = fields.next()?;
        let rest: Vec<&str> = fields.collect();
        let (name, permissions) = match (kind, rest.as_slice()) {
            ("m" | "mask" | "o" | "other", [permissions]) => ("", *permissions),
            (_, [name, permissions]) => (*name, *permissions),
            _ => return None,
        };
        let named = |unnamed, named: fn(Principal) -> AclTag| match name {
            "" => Some(unnamed),
            name => principal(name).map(named),
        };
        let tag = match kind {
            "u" | "user" => named(AclTag::Owner, AclTag::User)?,
            "g" | "group" => named(AclTag::OwningGroup, AclTag::Group)?,
            "m" | "mask" if name.is_empty() => AclTag::Mask,
            "o" | "other" if name.is_empty() => AclTag::Other,
            _ => return None,
        };
        let (permissions, with_conditional_execute) = permission_bits(permissions)?;
        Some(Self {
            is_default,
            tag,
            permissions,
            with_conditional_execute,
        })
    }
}

fn permission_bits(text: &str) -> Option<(u16, bool)> {
    if let [digit @ b'0'..=b'7'] = text.as_bytes() {
        return Some((u16::from(digit - b'0'), false));
    }
    if text.is_empty() || text.len() > 4 {
        return None;
    }
    let mut bits = 0;
    let mut with_conditional_execute = false;
    for letter in text.chars() {
        match letter {
            'r' => bits |= 4,
            'w' => bits |= 2,
            'x' => bits |= 1,
            'X' => with_conditional_execute = true,
            '-' => {}
            _ => return None,
        }
    }
    Some((bits, with_conditional_execute))
}
