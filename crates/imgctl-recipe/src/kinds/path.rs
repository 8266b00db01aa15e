//! Paths: in the guest, on this machine, and in symbolic links.

use globset::{GlobBuilder, GlobMatcher};

use super::{Numbers, TextKind, no_control};
use crate::finding::{Complaint, quoted};

/// Linux's limits for a path and for one name in it, in bytes.
const PATH_MAX: usize = 4095;
const NAME_MAX: usize = 255;

/// An absolute path in the guest, possibly a glob.
pub(crate) static GUEST_PATH: TextKind = TextKind {
    title: "absolute path",
    what: "an absolute path like `/etc/motd`",
    numbers: Numbers::Quote,
    check: check_guest_path,
    pattern: r"^/",
};

/// A file on this machine that is read.
pub(crate) static HOST_PATH: TextKind = TextKind {
    title: "local path",
    what: "a path like `files/motd`",
    numbers: Numbers::Quote,
    check: check_host_path,
    pattern: r"[^/]$",
};

/// A directory on this machine that is read.
pub(crate) static HOST_DIRECTORY: TextKind = TextKind {
    title: "local directory",
    what: "a path like `files/etc`",
    numbers: Numbers::Quote,
    check: |text| check_local_path(text.strip_suffix('/').filter(|path| !path.is_empty()).unwrap_or(text)),
    pattern: ".",
};

/// A glob in the guest.
pub(crate) static GUEST_GLOB: TextKind = TextKind {
    title: "absolute glob",
    what: "an absolute path with `*`",
    numbers: Numbers::Quote,
    pattern: r"^/",
    check: |text| {
        check_guest_path(text)?;
        let mut names = text.split('/').filter(|name| !name.is_empty());
        names.try_for_each(|name| check_glob_name(text, name))
    },
};

/// A regular expression for whole paths in the guest.
pub(crate) static PATH_PATTERN: TextKind = TextKind {
    title: "regular expression",
    what: "a regular expression like `/opt/agent(/.*)?`",
    numbers: Numbers::Quote,
    pattern: r"^/",
    check: |text| match text.starts_with('/') {
        true => no_control(text, "an expression"),
        false => Err(Complaint::error(format!("{} does not begin with `/`", quoted(text)))
            .hint("the expression is for whole paths, like `/opt/agent(/.*)?`")),
    },
};

/// A file on this machine that may come later.
pub(crate) static LOCAL_PATH: TextKind = TextKind {
    title: "local path",
    what: "a path like `base.qcow2`",
    numbers: Numbers::Quote,
    pattern: r"[^/]$",
    check: check_local_path,
};

/// A file on this machine that is written.
pub(crate) static OUTPUT_PATH: TextKind = TextKind {
    title: "local path",
    what: "a path like `golden.qcow2`",
    numbers: Numbers::Quote,
    check: check_output_path,
    pattern: r"[^/]$",
};

/// What a symbolic link holds: any path.
pub(crate) static LINK_TARGET: TextKind = TextKind {
    title: "path",
    what: "a path",
    numbers: Numbers::Quote,
    check: check_link_target,
    pattern: ".",
};

fn check_guest_path(text: &str) -> Result<(), Complaint> {
    if text.is_empty() {
        return Err(Complaint::error("the path is empty").hint("write an absolute path like `/etc/motd`"));
    }
    no_control(text, "a path")?;
    if !text.starts_with('/') {
        let complaint = Complaint::error(format!("{} is not an absolute path", quoted(text)));
        return Err(if text.starts_with('~') {
            complaint.hint("`~` is not expanded: write the home directory's path, like `/root`")
        } else {
            complaint.hint(format!(
                "write {}",
                quoted(&format!("/{}", text.trim_start_matches("./")))
            ))
        });
    }
    if text.len() > PATH_MAX {
        return Err(Complaint::error(format!("the path is longer than {PATH_MAX} bytes")));
    }
    if text.split('/').any(|name| name.len() > NAME_MAX) {
        return Err(Complaint::error(format!(
            "a name in the path is longer than {NAME_MAX} bytes"
        )));
    }
    if text.split('/').any(|name| name == "..") {
        return Err(Complaint::error(format!("{} contains `..`", quoted(text))).hint("write the path without it"));
    }
    let names: Vec<&str> = text.split('/').filter(|name| !matches!(*name, "" | ".")).collect();
    let plain = format!("/{}", names.join("/"));
    if text.trim_end_matches('/') != plain.trim_end_matches('/') || text.ends_with("//") {
        return Err(Complaint::error(format!("{} has empty or `.` parts", quoted(text)))
            .hint(format!("write {}", quoted(&plain))));
    }
    Ok(())
}

fn check_local_path(text: &str) -> Result<(), Complaint> {
    if text.is_empty() {
        return Err(Complaint::error("the path is empty").hint("write a path relative to the recipe's folder"));
    }
    no_control(text, "a path")?;
    if text.contains("://") {
        return Err(Complaint::error("an address is not a local file").hint("write it as `url`"));
    }
    if text.starts_with("~/") {
        return Err(Complaint::error("`~` is not expanded")
            .hint("write an absolute path, or one relative to the recipe's folder"));
    }
    if text.ends_with('/') {
        return Err(Complaint::error(format!("{} is a directory", quoted(text))).hint("add the file's name"));
    }
    Ok(())
}

fn check_host_path(text: &str) -> Result<(), Complaint> {
    if !text.ends_with('/') {
        return check_local_path(text);
    }
    Err(Complaint::error(format!("{} is a directory", quoted(text)))
        .hint("name it by `tree`, with the directory in the guest as `path`"))
}

fn check_output_path(text: &str) -> Result<(), Complaint> {
    if text.is_empty() {
        return Err(Complaint::error("the path is empty").hint("write a path like `golden.qcow2`"));
    }
    no_control(text, "a path")?;
    if text.ends_with('/') || matches!(text, "." | "..") {
        return Err(
            Complaint::error(format!("{} is a directory", quoted(text))).hint(format!(
                "add a file name: {}",
                quoted(&format!("{}/golden.qcow2", text.trim_end_matches('/')))
            )),
        );
    }
    Ok(())
}

fn check_link_target(text: &str) -> Result<(), Complaint> {
    if text.is_empty() {
        return Err(Complaint::error("the target of a symbolic link cannot be empty"));
    }
    no_control(text, "a path")?;
    if text.len() > PATH_MAX {
        return Err(Complaint::error(format!("the target is longer than {PATH_MAX} bytes")));
    }
    Ok(())
}

/// Checks the glob of a path to remove, name by name: that is how it is matched.
pub(crate) fn check_glob(text: &str) -> Result<(), Complaint> {
    let names: Vec<&str> = text.split('/').filter(|name| !name.is_empty()).collect();
    for name in &names {
        check_glob_name(text, name)?;
    }
    let everything = match names.as_slice() {
        [] => true,
        [name] => {
            let glob = compile_name(text, name)?;
            ["bin", "etc", "usr", "var"].iter().all(|top| glob.is_match(top))
        }
        _ => false,
    };
    if everything {
        let message = format!("{} would remove the whole guest", quoted(text));
        return Err(Complaint::error(message).hint("name what to remove"));
    }
    Ok(())
}

fn check_glob_name(text: &str, name: &str) -> Result<(), Complaint> {
    if name.contains("**") {
        return Err(Complaint::error(format!("`**` in {} is not supported", quoted(text)))
            .hint("`*` matches any name in one directory; a directory goes with all it holds"));
    }
    compile_name(text, name).map(drop)
}

fn compile_name(text: &str, name: &str) -> Result<GlobMatcher, Complaint> {
    let glob = GlobBuilder::new(name)
        .literal_separator(true)
        .backslash_escape(true)
        .build();
    glob.map(|glob| glob.compile_matcher()).map_err(|error| {
        Complaint::error(format!("{} is not a glob: {}", quoted(text), error.kind())).hint(
            "braces and brackets end before the next `/`; a backslash takes the meaning from `*`, `?`, `[` and `{`",
        )
    })
}

/// The first character that means something in a glob.
pub(crate) fn glob_part(text: &str) -> Option<char> {
    text.chars().find(|c| matches!(c, '*' | '?' | '[' | '{'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guest_paths() {
        let long_name = format!("/{}", "a".repeat(256));
        let long_path = "/abcdefg".repeat(600);
        for good in [
            "/",
            "/etc/motd",
            "/etc/ssh/ssh_host_*",
            "/a b",
            "/etc/",
            "/.hidden",
            "/a...b",
            "/ä",
        ] {
            assert!(check_guest_path(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "etc/motd",
            "~/x",
            "/etc/../x",
            "/..",
            "/a/./b",
            "/a//b",
            "//a",
            "/a//",
            "//",
            "/a\0",
            "/a\nb",
            &long_name,
            &long_path,
        ] {
            assert!(check_guest_path(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn globs() {
        for good in [
            "/etc/ssh/ssh_host_*",
            "/var/*/x",
            "/tmp/[a-c]?",
            "/a/{b,c}",
            "/etc",
            "/a\\*b",
            "/*.bak",
        ] {
            assert!(check_glob(good).is_ok(), "{good}");
        }
        for bad in [
            "/",
            "/*",
            "/?*",
            "/{*,x}",
            "/**",
            "/etc/**/x",
            "/etc/[",
            "/etc/{a",
            "/{a/b,c}",
            "/a\\",
        ] {
            assert!(check_glob(bad).is_err(), "{bad}");
        }
    }
}
