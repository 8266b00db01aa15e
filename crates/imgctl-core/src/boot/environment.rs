//! GRUB's environment block: a file of exactly 1024 bytes that the boot loader itself can write.
//!
//! ```text
//! # GRUB Environment Block\n
//! NAME=VALUE\n               a backslash before each backslash and line break of the value
//! ####…                      to the end
//! ```
//!
//! Facts: lib/envblk.c of GRUB.

use super::words::Variables;

pub(crate) const PLACES: [&str; 4] = [
    "/boot/grub/grubenv",
    "/boot/grub2/grubenv",
    "/boot/efi/EFI/*/grubenv",
    "/efi/EFI/*/grubenv",
];

const BLOCK_BYTES: usize = 1024;
const HEADER: &str = "# GRUB Environment Block\n";

/// What a block sets.
pub(crate) fn variables(text: &str) -> Variables {
    let mut variables = Variables::new();
    let mut rest = text;
    while let Some(end) = line_end(rest) {
        let (line, after) = rest.split_at(end);
        rest = after;
        let line = line.strip_suffix('\n').unwrap_or(line);
        if let Some((name, value)) = line.split_once('=')
            && !line.starts_with('#')
        {
            variables.insert(name.to_owned(), unescaped(value));
        }
    }
    variables
}

/// The block with another value of a variable that it has; `None` when there is no room for it.
pub(crate) fn with_value(text: &str, name: &str, value: &str) -> Option<String> {
    let mut block = String::from(HEADER);
    let mut rest = text;
    while let Some(end) = line_end(rest) {
        let (line, after) = rest.split_at(end);
        rest = after;
        if line.starts_with('#') {
            continue;
        }
        match line.split_once('=') {
            Some((known, _)) if known == name => {
                let value = value.replace('\\', "\\\\").replace('\n', "\\\n");
                block.push_str(&format!("{name}={value}\n"));
            }
            _ => {
                block.push_str(line.trim_end_matches('\n'));
                block.push('\n');
            }
        }
    }
    let room = BLOCK_BYTES.checked_sub(block.len())?;
    block.push_str(&"#".repeat(room));
    Some(block)
}

/// Where the first line ends, its break with it; a backslash goes before a break that ends no line.
fn line_end(text: &str) -> Option<usize> {
    if text.is_empty() {
        return None;
    }
    let mut bytes = text.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'\n' => return Some(at + 1),
            b'\\' => drop(bytes.next()),
            _ => {}
        }
    }
    Some(text.len())
}

fn unescaped(value: &str) -> String {
    let mut plain = String::new();
    let mut characters = value.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => plain.extend(characters.next()),
            _ => plain.push(character),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_keeps_its_size() {
        let mut text = format!("{HEADER}saved_entry=x\\\\y\nkernelopts=root=UUID=1 ro\nboot_success=0\n");
        text.push_str(&"#".repeat(BLOCK_BYTES - text.len()));
        let parsed = variables(&text);
        assert_eq!(parsed["saved_entry"], "x\\y");
        assert_eq!(parsed["kernelopts"], "root=UUID=1 ro");
        let new = with_value(&text, "kernelopts", "root=UUID=1 ro a=\\1").unwrap();
        assert_eq!(new.len(), BLOCK_BYTES);
        assert_eq!(variables(&new)["kernelopts"], "root=UUID=1 ro a=\\1");
        assert_eq!(variables(&new)["saved_entry"], "x\\y");
        assert!(new.contains("\nboot_success=0\n####") && new.ends_with('#'));
        assert_eq!(with_value(&text, "kernelopts", &"x".repeat(1024)), None);
        assert_eq!(with_value(&new, "kernelopts", "root=UUID=1 ro").unwrap(), text);
    }
}
