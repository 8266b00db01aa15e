//! The distribution's icon, where a package of the guest has one.

use super::os::OperatingSystem;
use imgctl_vfs::{FileKind, GuestPath, Tree};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";
/// Characters of base64 in one line.
const LINE_CHARACTERS: usize = 72;
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// A PNG image of a reasonable size and geometry.
pub(super) fn find(tree: &Tree, os: &OperatingSystem) -> Option<Vec<u8>> {
    let (paths, limit_bytes) = places(os)?;
    paths.iter().find_map(|path| {
        let found = tree.find(&GuestPath::new(path).ok()?).ok()??;
        let is_file = tree.metadata(found.node).ok()?.kind == FileKind::File;
        let content = tree.read_file(found.node, limit_bytes).ok().filter(|_| is_file)?;
        is_icon(&content).then_some(content)
    })
}

/// Where the distributions' packages put their icons, and how many bytes those may have at most.
fn places(os: &OperatingSystem) -> Option<(&'static [&'static str], u64)> {
    Some(match os.distro? {
        "debian" => (&["/usr/share/pixmaps/debian-logo.png"], 2048),
        "ubuntu" => (
            &[
                "/usr/share/icons/gnome/24x24/places/ubuntu-logo.png",
                "/usr/share/help/C/ubuntu-help/figures/ubuntu-logo.png",
            ],
            2048,
        ),
        "fedora" => (&["/usr/share/icons/hicolor/96x96/apps/fedora-logo-icon.png"], 36_864),
        "rhel" | "redhat-based" | "centos" | "circle" | "rocky" | "scientificlinux" | "oraclelinux" => {
            (&["/usr/share/icons/hicolor/96x96/apps/system-logo-icon.png"], 102_400)
        }
        "suse-based" | "opensuse" | "sles" => (
            &[
                "/usr/share/icons/hicolor/48x48/apps/distributor.png",
                "/usr/share/icons/hicolor/24x24/apps/distributor.png",
            ],
            10_240,
        ),
        _ => return None,
    })
}

/// Whether it is a PNG image of 16 to 1024 points in both directions.
fn is_icon(content: &[u8]) -> bool {
    let side = |offset: usize| {
        let bytes = content.get(offset..offset + 4)?;
        bytes.first_chunk().copied().map(u32::from_be_bytes)
    };
    let is_reasonable = |side: Option<u32>| side.is_some_and(|side| (16..=1024).contains(&side));
    content.starts_with(PNG) && is_reasonable(side(16)) && is_reasonable(side(20))
}

/// Base64 (RFC 4648) in lines as libxml2 breaks them.
pub(super) fn base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 3 / 2);
    for (count, group) in bytes.chunks(3).enumerate() {
        if count > 0 && count * 4 % LINE_CHARACTERS == 0 {
            text.push_str("\r\n");
        }
        let bits = group.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for place in 0..4_usize {
            let value = bits >> (18 - 6 * place) & 0x3f;
            text.push(match place <= group.len() {
                true => char::from(ALPHABET[value as usize]),
                false => '=',
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_standard() {
        for (bytes, expected) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(bytes.as_bytes()), expected);
        }
        let lines = base64(&[0; 55]);
        assert_eq!(lines, format!("{}\r\nAA==", "A".repeat(72)));
    }

    #[test]
    fn icons_have_a_size() {
        let png = |width: u32| {
            let mut bytes = PNG.to_vec();
            bytes.extend(*b"\0\0\0\rIHDR");
            bytes.extend(width.to_be_bytes());
            bytes.extend(48_u32.to_be_bytes());
            bytes
        };
        assert!(is_icon(&png(48)));
        assert!(!is_icon(&png(8)));
        assert!(!is_icon(&png(4096)));
        assert!(!is_icon(&png(48)[..20]));
        assert!(!is_icon(b"GIF89a"));
    }
}
