//! Certificate authorities beside `update-ca-certificates`, run in a chroot of the same tree, and judged by openssl.

use crate::chroot::{Chroot, Lower};
use crate::scene::{assert_same, guest_listing, guest_of, host_listing, run_twice};
use imgctl_testkit::{oracle, root_or_skip};
use std::fs;
use std::path::Path;

const CA: &str = "tests/trust/ca.pem";
const LEAF: &str = "tests/trust/leaf.pem";

const COMPARED: [&str; 3] = [
    "etc/ssl/certs",
    "etc/ca-certificates.conf",
    "usr/local/share/ca-certificates",
];
const SEEN: [&str; 6] = [
    "etc/os-release",
    "usr/lib/os-release",
    "usr/share/ca-certificates",
    "usr/sbin/update-ca-certificates",
    "etc/ca-certificates",
    "etc/systemd/system",
];

/// What is in the guest before, as a line of shell: further authorities, some selected no longer, links that lead nowhere.
const SCENES: [(&str, &str); 5] = [
    ("as it is", "true"),
    (
        "selections",
        "sed -i -e 's,^mozilla/AC_RAIZ,!&,' -e '5,9s/^mozilla/!mozilla/' /etc/ca-certificates.conf; echo mozilla/none.crt >>/etc/ca-certificates.conf",
    ),
    (
        "without selections",
        "rm /etc/ca-certificates.conf; ln -s /gone /etc/ssl/certs/dangling.pem",
    ),
    (
        "other local ones",
        "mkdir -p '/usr/local/share/ca-certificates/a b'; cp /usr/share/ca-certificates/mozilla/GlobalSign*R3.crt \
         '/usr/local/share/ca-certificates/a b/x (1), y.crt'; printf '%s' \"$(cat /usr/share/ca-certificates/mozilla/GTS_Root_R1.crt)\" \
         >/usr/local/share/ca-certificates/unterminated.crt",
    ),
    (
        "links that are wrong",
        "cd /etc/ssl/certs; ln -sf /nowhere 6d00b01b.0; ln -s ISRG_Root_X1.pem deadbeef.3; rm 4042bcee.0; ln -s x 12345678.r0; \
         ln -s ca-certificates.crt all.pem; cp ISRG_Root_X1.pem twin.pem",
    ),
];

#[test]
fn stores_are_what_update_ca_certificates_makes() {
    if !root_or_skip("authorities") {
        return;
    }
    for fixture in ["debian12", "debian13"] {
        let lower = Lower::of(fixture);
        for (name, before) in SCENES {
            let case = format!("{fixture}, {name}");
            let chroot = Chroot::new(&lower);
            let prepared = chroot.run(before, 0);
            assert!(prepared.status.success(), "{case}: {prepared:?}");
            let guest = guest_of(&chroot.root(), &[&COMPARED[..], &SEEN].concat());
            let guest = run_twice(
                guest,
                &format!("trust: {{ ca: [{{ name: company, source: {CA} }}, {{ name: other, source: {LEAF} }}] }}"),
            );
            let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
            let local = chroot.root().join("usr/local/share/ca-certificates");
            fs::create_dir_all(&local).unwrap();
            fs::copy(manifest.join(CA), local.join("company.crt")).unwrap();
            fs::copy(manifest.join(LEAF), local.join("other.crt")).unwrap();
            let theirs = chroot.run("mount -t tmpfs tmpfs /tmp; mkdir -p /dev; [ -e /dev/null ] || mknod -m 666 /dev/null c 1 3; update-ca-certificates", 0);
            assert!(theirs.status.success(), "{case}: {theirs:?}");
            let host = host_listing(&chroot.root(), &COMPARED);
            let ours = guest_listing(&guest, &COMPARED);
            chroot.run("umount /tmp", 0);
            assert_same(&case, &host, &ours);
            assert!(host.contains_key("etc/ssl/certs/6d00b01b.0"), "{case}");
        }
    }
}

#[test]
fn bundles_and_folders_of_other_families_are_read_by_openssl() {
    oracle::require("openssl").unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let root = scratch.path();
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    for folder in ["etc", "etc/pki/ca-trust/extracted/pem/directory-hash"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    fs::write(root.join("etc/os-release"), "ID=rocky\n").unwrap();
    let bundle = "etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem";
    fs::copy(manifest.join(LEAF), root.join(bundle)).unwrap();
    let guest = guest_of(root, &["etc"]);
    let guest = run_twice(guest, &format!("trust: {{ ca: [{{ source: {CA} }}] }}"));
    let after = tempfile::tempdir().unwrap();
    crate::scene::write_back(&guest, after.path(), &["etc"]);
    let certificate = manifest.join(CA);
    let verify = |option: &str, path: &str| {
        let path = after.path().join(path);
        oracle::output(
            "openssl",
            ["verify", option, path.to_str().unwrap(), certificate.to_str().unwrap()],
        )
        .unwrap()
    };
    assert!(verify("-CAfile", bundle).status.success());
    let listing = guest_listing(&guest, &["etc/pki/ca-trust/extracted/pem/directory-hash"]);
    let link = "etc/pki/ca-trust/extracted/pem/directory-hash/6d00b01b.0";
    assert_eq!(
        listing.get(link).map(String::as_str),
        Some("0:0 -> Example__Root_CA.pem")
    );
}
