//! Repositories in the words of every package manager, twice, and what none of them can say.

use super::add;
use crate::guest::Guest;
use crate::steps::flags::FlagDeed;
use crate::testing::{NOW, edited, empty, guest, mode, text};
use imgctl_recipe::{AptArchive, Repository, RepositoryKey, RepositoryPlace};
use serde_json::json;

fn repository(id: &str, place: RepositoryPlace) -> Repository {
    Repository {
        id: id.to_owned(),
        place,
        keys: Vec::new(),
        is_signed: true,
        enabled: true,
        priority: None,
    }
}

fn apt(one_line: bool) -> Repository {
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    repository(
        "vendor",
        RepositoryPlace::Apt(AptArchive {
            uri: "https://mirror.example:8080/x".to_owned(),
            suite: "stable".to_owned(),
            components: words("main contrib"),
            architectures: words("amd64 arm64"),
            types: words("deb deb-src"),
            one_line,
        }),
    )
}

fn base(id: &str) -> Repository {
    repository(id, RepositoryPlace::Base("https://mirror.example/k8s".to_owned()))
}

fn key(name: &str, is_armored: bool) -> RepositoryKey {
    RepositoryKey::Bytes {
        name: Some(name.to_owned()),
        bytes: b"key".to_vec(),
        is_armored,
        sensitive: false,
    }
}

fn run_twice(guest: &mut Guest, repository: &Repository) -> Vec<String> {
    let changes = edited(guest, |guest| add(guest, repository).unwrap());
    let tree = std::mem::replace(guest, empty()).into_parts().0;
    *guest = Guest::new(tree, NOW);
    add(guest, repository).unwrap();
    assert!(guest.log().is_empty(), "the step is not at rest");
    changes
}

fn of(id: &str) -> Guest {
    guest(&[
        &format!("/etc/os-release|ID={id}\n"),
        "/usr/share/keyrings/debian-archive-keyring.gpg|k",
    ])
}

#[test]
fn archives_of_apt_in_both_forms() {
    let mut debian = of("debian");
    let mut vendor = apt(false);
    vendor.keys = vec![key("v.asc", true)];
    vendor.priority = Some(900);
    run_twice(&mut debian, &vendor);
    assert_eq!(
        text(&debian, "/etc/apt/sources.list.d/vendor.sources"),
        "Types: deb deb-src\nURIs: https://mirror.example:8080/x\nSuites: stable\nComponents: main contrib\n\
         Architectures: amd64 arm64\nSigned-By: /etc/apt/keyrings/vendor.asc\n"
    );
    assert_eq!(mode(&debian, "/etc/apt/keyrings/vendor.asc"), "0644 0:0");
    assert_eq!(
        text(&debian, "/etc/apt/preferences.d/vendor.pref"),
        "Package: *\nPin: origin \"mirror.example\"\nPin-Priority: 900\n"
    );

    let mut line = apt(true);
    line.keys = vec![
        key("v.gpg", false),
        RepositoryKey::Guest("debian-archive-keyring".to_owned()),
    ];
    line.is_signed = false;
    line.enabled = false;
    run_twice(&mut debian, &line);
    let keyrings = "/etc/apt/keyrings/vendor.gpg,/usr/share/keyrings/debian-archive-keyring.gpg";
    let rest = format!(
        "[arch=amd64,arm64 signed-by={keyrings} trusted=yes] https://mirror.example:8080/x stable main contrib\n"
    );
    assert_eq!(
        text(&debian, "/etc/apt/sources.list.d/vendor.list"),
        format!("# deb {rest}# deb-src {rest}")
    );

    line.keys = vec![RepositoryKey::Guest("debian-archive-keyrin".to_owned())];
    let error = add(&mut debian, &line).unwrap_err().to_string();
    assert_eq!(error, "the guest has no keyring named debian-archive-keyrin");
    line.keys = vec![RepositoryKey::Guest("/no.gpg".to_owned())];
    assert!(add(&mut debian, &line).is_err());
}

#[test]
fn repositories_of_dnf_and_zypper() {
    let mut k8s = base("k8s");
    k8s.keys = vec![
        RepositoryKey::Url("https://mirror.example/key".to_owned()),
        key("k.asc", true),
    ];
    k8s.priority = Some(10);
    k8s.enabled = false;
    for (os, folder, further) in [
        ("almalinux", "/etc/yum.repos.d", ""),
        ("opensuse-leap", "/etc/zypp/repos.d", "autorefresh=1\n"),
    ] {
        let mut guest = of(os);
        run_twice(&mut guest, &k8s);
        assert_eq!(
            text(&guest, &format!("{folder}/k8s.repo")),
            format!(
                "[k8s]\nname=k8s\nbaseurl=https://mirror.example/k8s\nenabled=0\n{further}gpgcheck=1\n\
                 gpgkey=https://mirror.example/key\n       file:///etc/pki/rpm-gpg/RPM-GPG-KEY-k8s-2\npriority=10\n"
            )
        );
        assert_eq!(text(&guest, "/etc/pki/rpm-gpg/RPM-GPG-KEY-k8s-2"), "key");
    }
    k8s.priority = Some(500);
    assert_eq!(
        add(&mut of("rocky"), &k8s).unwrap_err().to_string(),
        "dnf has no priority 500"
    );

    let mut twice = guest(&[
        "/etc/os-release|ID=fedora\n",
        "/etc/yum.repos.d/all.repo|[a]\nx=1\n [k8s] \n",
    ]);
    add(&mut twice, &base("k8s")).unwrap();
    assert_eq!(
        twice.warnings()[0].message,
        "the repository k8s is in /etc/yum.repos.d/all.repo, too"
    );
}

#[test]
fn repositories_of_apk_and_pacman() {
    let mut alpine = guest(&[
        "/etc/os-release|ID=alpine\n",
        "/etc/apk/repositories|/media/cdrom\n# https://mirror.example/k8s\n",
    ]);
    let mut k8s = base("k8s");
    k8s.keys = vec![key("me.rsa.pub", true)];
    run_twice(&mut alpine, &k8s);
    assert_eq!(
        text(&alpine, "/etc/apk/repositories"),
        "/media/cdrom\nhttps://mirror.example/k8s\n"
    );
    assert_eq!(text(&alpine, "/etc/apk/keys/me.rsa.pub"), "key");
    k8s.enabled = false;
    run_twice(&mut alpine, &k8s);
    assert_eq!(
        text(&alpine, "/etc/apk/repositories"),
        "/media/cdrom\n#https://mirror.example/k8s\n"
    );
    k8s.priority = Some(1);
    assert!(add(&mut alpine, &k8s).is_err());

    let old = "/etc/pacman.conf|[options]\nColor\n\n[k8s]\nServer = old\n# note\n\n[core]\nInclude = /etc/pacman.d/mirrorlist\n";
    let mut arch = guest(&["/etc/os-release|ID=arch\n", old]);
    run_twice(&mut arch, &base("k8s"));
    let mut unsigned = base("new");
    unsigned.is_signed = false;
    run_twice(&mut arch, &unsigned);
    assert_eq!(
        text(&arch, "/etc/pacman.conf"),
        "[options]\nColor\n\n[k8s]\nServer = https://mirror.example/k8s\n# note\n\n[core]\nInclude = /etc/pacman.d/mirrorlist\n\
         \n[new]\nSigLevel = Never\nServer = https://mirror.example/k8s\n"
    );
    unsigned.keys = vec![key("k", true)];
    assert!(add(&mut arch, &unsigned).is_err());
}

#[test]
fn words_of_other_managers_are_refused() {
    for (os, repository) in [
        ("debian", base("a")),
        ("rocky", apt(false)),
        ("alpine", apt(true)),
        ("arch", apt(false)),
    ] {
        let error = add(&mut of(os), &repository).unwrap_err().to_string();
        assert!(error.contains("the guest's package manager"), "{error}");
    }
}

#[test]
fn lines_and_addresses_of_options() {
    let read = |name: &str, text: &str| {
        let spec = super::FLAGS.iter().find(|flag| flag.name == name).unwrap();
        let FlagDeed::Recipe(sections) = spec.deed else {
            panic!("{name}")
        };
        sections(text).map_err(|error| error.to_string())
    };
    assert_eq!(
        read(
            "apt-repo",
            "x:deb-src [arch=a,b signed-by=/k.gpg trusted=yes]  http://m.example:1/d ./"
        ),
        Ok(json!({ "packages": { "repos": [{
            "id": "x", "types": ["deb-src"], "architectures": ["a", "b"], "signed_by": "/k.gpg", "gpgcheck": false,
            "uri": "http://m.example:1/d", "suite": "./"
        }] } }))
    );
    for wrong in [
        "deb http://m.example x",
        "x:deb",
        "x:deb [a http://m",
        "x:deb [lang=de] http://m s",
        "x:deb http://m",
    ] {
        assert!(read("apt-repo", wrong).is_err(), "{wrong}");
    }
    assert_eq!(
        read("dnf-repo", "x:https://m.example/a priority=5 enabled=0 gpgkey=k.asc"),
        Ok(json!({ "packages": { "repos": [{
            "id": "x", "baseurl": "https://m.example/a", "priority": 5, "enabled": false, "gpgkey": "k.asc"
        }] } }))
    );
    assert!(read("dnf-repo", "x:https://m.example color=red").is_err());
    assert!(read("dnf-repo", "https://m.example").is_ok_and(|value| value["packages"]["repos"][0]["id"] == "https"));
}
