//! Repositories as apt in a chroot and dnf's own reader understand them; keys by gpg.

use crate::chroot::{Chroot, Lower};
use crate::scene::{guest_of, run_twice, write_back};
use imgctl_testkit::{oracle, root_or_skip};

const RECIPE: &str = "\
packages:
  repos:
    - { id: fields, uri: \"http://mirror.example/debian\", suite: trixie-backports, components: [main, contrib],
        signed_by: debian-archive-keyring, architectures: [amd64], priority: 450 }
    - { id: line, uri: \"http://line.example/x\", suite: stable, format: one-line, key: { source: tests/trust/vendor.asc } }
    - { id: folder, uri: \"http://folder.example/x\", suite: ./, key: { source: tests/trust/vendor.gpg } }
    - { id: sources, uri: \"http://src.example/x\", suite: s, types: [deb, deb-src] }
    - { id: no-more, uri: \"http://off.example/x\", suite: s, enabled: false }
    - { id: off-line, uri: \"http://off.example/y\", suite: s, enabled: false, format: one-line }
";

#[test]
fn apt_reads_archives_as_they_are_meant() {
    if !root_or_skip("sources") {
        return;
    }
    for fixture in ["debian12", "debian13"] {
        let lower = Lower::of(fixture);
        let chroot = Chroot::new(&lower);
        let tops = ["etc/apt", "etc/os-release", "usr/lib/os-release", "usr/share/keyrings"];
        let guest = run_twice(guest_of(&chroot.root(), &tops), RECIPE);
        write_back(&guest, &chroot.root(), &["etc/apt"]);
        let apt = |line: &str| {
            let output = chroot.run(line, 0);
            let errors = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "{fixture}: {line}: {errors}");
            assert!(
                !errors.contains("Malformed") && !errors.contains("E:"),
                "{fixture}: {errors}"
            );
            String::from_utf8(output.stdout).unwrap()
        };
        let targets = apt("apt-get indextargets --no-release-info");
        let has = |fields: &[&str]| {
            let mut stanzas = targets.split("\n\n").map(|stanza| format!("\n{stanza}\n"));
            stanzas.any(|stanza| fields.iter().all(|field| stanza.contains(&format!("\n{field}\n"))))
        };
        for fields in [
            &[
                "Repo-URI: http://mirror.example/debian/",
                "Release: trixie-backports",
                "Component: contrib",
                "Created-By: Packages",
                "Architecture: amd64",
            ][..],
            &["Repo-URI: http://line.example/x/", "Release: stable", "Component: main"],
            &["Base-URI: http://folder.example/x/./", "Created-By: Packages"],
            &["Repo-URI: http://src.example/x/", "Created-By: Sources"],
            &["Repo-URI: http://src.example/x/", "Created-By: Packages"],
        ] {
            assert!(has(fields), "{fixture}: {fields:?}\n{targets}");
        }
        assert!(!targets.contains("off.example"), "{fixture}:\n{targets}");
        let uris = apt("apt-get update --print-uris");
        assert!(uris.contains("'http://folder.example/x/./InRelease'"), "{uris}");
        // Archives that were never fetched have no policy yet; what apt takes for the pin is its syntax.
        apt("apt-cache policy");
    }
}

#[test]
fn keyrings_are_what_gpg_reads() {
    let manifest = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    for name in ["vendor.asc", "vendor.gpg"] {
        let path = manifest.join("tests/trust").join(name);
        let home = tempfile::tempdir().unwrap();
        let shown = oracle::run(
            "gpg",
            [
                "--homedir",
                home.path().to_str().unwrap(),
                "--show-keys",
                "--with-colons",
                path.to_str().unwrap(),
            ],
        )
        .unwrap();
        let keys = imgctl_recipe::public_keys(&std::fs::read(&path).unwrap()).unwrap();
        let theirs: Vec<&str> = shown
            .lines()
            .filter_map(|line| line.strip_prefix("fpr:"))
            .map(|line| line.trim_matches(':'))
            .collect();
        let ours: Vec<&str> = keys.iter().map(|key| key.fingerprint.as_str()).collect();
        assert_eq!(ours, theirs, "{name}");
    }
}

/// A key made for the test, and a folder of packages that it signs.
struct Vendor {
    home: tempfile::TempDir,
}

impl Vendor {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let vendor = Self { home };
        vendor.gpg(&[
            "--quick-gen-key",
            "Vendor <v@mirror.example>",
            "ed25519",
            "sign",
            "never",
        ]);
        vendor
    }

    fn gpg(&self, arguments: &[&str]) -> Vec<u8> {
        let home = self.home.path().to_str().unwrap();
        let all = [
            &[
                "--homedir",
                home,
                "--batch",
                "--yes",
                "--passphrase",
                "",
                "--pinentry-mode",
                "loopback",
            ],
            arguments,
        ]
        .concat();
        let output = oracle::output("gpg", all).unwrap();
        assert!(output.status.success(), "{output:?}");
        output.stdout
    }

    /// An empty archive in a folder of the host.
    fn publish(&self, folder: &std::path::Path) {
        std::fs::create_dir_all(folder).unwrap();
        std::fs::write(folder.join("Packages"), "").unwrap();
        // SHA-256 of nothing.
        let digest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let release = format!("Suite: x\nDate: Sat, 01 Nov 2025 00:00:00 UTC\nSHA256:\n {digest} 0 Packages\n");
        let (plain, signed) = (folder.join("Release"), folder.join("InRelease"));
        std::fs::write(&plain, release).unwrap();
        self.gpg(&["--clearsign", "-o", signed.to_str().unwrap(), plain.to_str().unwrap()]);
        std::fs::remove_file(plain).unwrap();
    }
}

impl Drop for Vendor {
    fn drop(&mut self) {
        let home = self.home.path().to_str().unwrap();
        drop(oracle::output("gpgconf", ["--homedir", home, "--kill", "all"]));
    }
}

#[test]
fn apt_verifies_signatures_by_the_keyrings() {
    if !root_or_skip("sources") {
        return;
    }
    let vendor = Vendor::new();
    let armored = String::from_utf8(vendor.gpg(&["--armor", "--export"])).unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let binary = scratch.path().join("v.gpg");
    std::fs::write(&binary, vendor.gpg(&["--export"])).unwrap();
    let repository = |id: &str, further: &str, key: &str| {
        format!("    - {{ id: {id}, uri: \"file:///srv/archive\", suite: ./, {further} key: {{ {key} }} }}\n")
    };
    let content = format!("content: {armored:?}");
    let recipe = [
        "packages:\n  repos:\n".to_owned(),
        repository("armored", "", &content),
        repository("armored-line", "format: one-line,", &content),
        repository("binary", "", &format!("source: {}", binary.display())),
        repository("stranger", "", "source: tests/trust/vendor.gpg"),
    ]
    .concat();
    for fixture in ["debian12", "debian13"] {
        let lower = Lower::of(fixture);
        let chroot = Chroot::new(&lower);
        let tops = ["etc/apt", "etc/os-release", "usr/lib/os-release"];
        let guest = run_twice(guest_of(&chroot.root(), &tops), &recipe);
        write_back(&guest, &chroot.root(), &["etc/apt"]);
        vendor.publish(&chroot.root().join("srv/archive"));
        chroot.run(
            "mkdir -p /dev /tmp; chmod 1777 /tmp; [ -e /dev/null ] || mknod -m 666 /dev/null c 1 3",
            0,
        );
        for (file, is_trusted) in [
            ("armored.sources", true),
            ("armored-line.list", true),
            ("binary.sources", true),
            ("stranger.sources", false),
        ] {
            let line = format!(
                "rm -rf /var/lib/apt/lists/*; apt-get update -o Dir::Etc::sourceparts=- \
                 -o Dir::Etc::sourcelist=/etc/apt/sources.list.d/{file}"
            );
            let output = chroot.run(&line, 0);
            assert_eq!(output.status.success(), is_trusted, "{fixture}, {file}: {output:?}");
        }
    }
}

/// Python's reader is that of dnf's own files (libdnf reads ini files alike); indented lines go on.
#[test]
fn dnf_files_are_ini_files() {
    let scratch = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(scratch.path().join("etc")).unwrap();
    std::fs::write(scratch.path().join("etc/os-release"), "ID=rocky\n").unwrap();
    let recipe = "\
packages:
  repos:
    - { id: k8s, baseurl: \"https://mirror.example/k8s/$basearch\", gpgkey: [\"https://mirror.example/a.key\", tests/trust/vendor.asc], priority: 5 }
";
    let guest = run_twice(guest_of(scratch.path(), &["etc"]), recipe);
    write_back(&guest, scratch.path(), &["etc"]);
    let file = scratch.path().join("etc/yum.repos.d/k8s.repo");
    let program = "import configparser,sys;c=configparser.RawConfigParser();c.read(sys.argv[1]);print(dict(c['k8s']))";
    let shown = oracle::run("python3", ["-c", program, file.to_str().unwrap()]).unwrap();
    assert_eq!(
        shown.trim(),
        "{'name': 'k8s', 'baseurl': 'https://mirror.example/k8s/$basearch', 'enabled': '1', 'gpgcheck': '1', \
         'gpgkey': 'https://mirror.example/a.key\\nfile:///etc/pki/rpm-gpg/RPM-GPG-KEY-k8s-2', 'priority': '5'}"
    );
}
